package projector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/verdict-stream/verdict/pkg/runs"
)

// serveInterval is how often this process looks for what it is asked for.
const serveInterval = time.Second

// serve works on what is asked for about the read model, until ctx ends.
func (p *projector) serve(ctx context.Context) {
	book := runs.Open(p.bus)
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	holder := fmt.Sprintf("projector/%s/%d", host, os.Getpid())
	var tidied time.Time
	every(ctx, serveInterval, func(ctx context.Context) {
		for name, work := range map[string]func(context.Context, *runs.Job) error{ReadModel: p.rebuild, DropOld: p.dropOld} {
			run, err := book.Get(ctx, RebuildVerb, name)
			if err != nil && !errors.Is(err, runs.ErrUnknown) {
				return // The broker is away: the next look tells more.
			}
			now := time.Now()
			ready := run.State == runs.Waiting || run.State == runs.Running && now.After(run.HeldUntil)
			if name == ReadModel && run.State != runs.Running && !run.UpdatedAt.Before(tidied) {
				// Whoever was at work may have died before he removed what he made.
				if err := p.model.Tidy(ctx, true); err != nil {
					p.logger.WarnContext(ctx, "not tidied up after rebuilds of the read model", "error", err)
				}
				tidied = now
			}
			if ready {
				p.work(ctx, book, name, holder, work)
			}
		}
	})
}

// work works on one run. What it needs of the streams is known, since resume has returned.
func (p *projector) work(ctx context.Context, book *runs.Book, name, holder string, do func(context.Context, *runs.Job) error) {
	p.logger.InfoContext(ctx, "work on the read model begins", "name", name)
	err := book.Work(ctx, RebuildVerb, name, holder, do)
	if err != nil && ctx.Err() == nil {
		p.logger.WarnContext(ctx, "work on the read model ended", "name", name, "error", err)
	}
}

// dropOld removes the read models that were in use before.
func (p *projector) dropOld(ctx context.Context, job *runs.Job) error {
	dropped, err := p.model.DropKept(ctx)
	if err != nil {
		return err
	}
	detail, err := json.Marshal(RebuildDetail{Phase: PhaseDone, Dropped: dropped})
	if err != nil {
		return err
	}
	return job.Save(ctx, func(r *runs.Run) { r.Detail = detail })
}
