package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/runs"
)

const (
	// followInterval is how often a run is looked at that is followed, and tellInterval how often that is told.
	followInterval = 250 * time.Millisecond
	tellInterval   = 2 * time.Second
	// unattended is how long a run may wait before that seems odd.
	unattended = 5 * time.Second
)

// errLeft means that somebody does not wait for a run any more.
var errLeft = errors.New("it goes on without you")

// follow tells on standard error how far a run of a service is until it works no more, and returns it then, however it ended. Errors: errLeft
// where ctx ends before, runs.ErrUnknown.
func (o *operator) follow(ctx context.Context, verb, name, worker string, progress func(runs.Run) string) (runs.Run, error) {
	begun, told, last := time.Now(), time.Time{}, ""
	return o.await(ctx, verb, name, func(r runs.Run) bool {
		if r.Over() || r.State == runs.Failed || r.State == runs.Paused {
			return true
		}
		line := progress(r)
		phase, _, _ := strings.Cut(line, ":")
		if phase != last || time.Since(told) > tellInterval {
			if r.State == runs.Waiting && time.Since(begun) > unattended {
				line += ", for " + worker + " to begin: does one run?"
			}
			fmt.Fprintln(os.Stderr, line)
			told, last = time.Now(), phase
		}
		return false
	})
}

// await looks at a run again and again, also while the broker is away, until it is as wanted. Errors: errLeft where ctx ends before,
// runs.ErrUnknown.
func (o *operator) await(ctx context.Context, verb, name string, wanted func(runs.Run) bool) (runs.Run, error) {
	for {
		r, err := runs.Open(o.bus).Get(ctx, verb, name)
		switch {
		case ctx.Err() != nil:
			return r, errLeft
		case err != nil && !errors.Is(err, bus.ErrUnavailable):
			return r, err
		case err == nil && wanted(r):
			return r, nil
		}
		select {
		case <-ctx.Done():
			return r, errLeft
		case <-time.After(followInterval):
		}
	}
}

// ask asks something of a run of a service, and waits until it is in the state or has ended otherwise; an empty state is not waited for. Errors:
// those of [runs.Book.Ask]; errLeft where ctx ends before: it was asked.
func (o *operator) ask(ctx context.Context, verb, name, wanted string, until runs.State) (runs.Run, error) {
	book := runs.Open(o.bus)
	r, err := book.Ask(ctx, verb, name, wanted)
	if err != nil {
		return r, err
	}
	note := wanted
	if note == runs.Resume {
		note = "resume"
	}
	if err := o.audit(ctx, bus.AuditEntry{Verb: verb, Target: name, Note: note}); err != nil || until == "" {
		return r, err
	}
	return o.await(ctx, verb, name, func(r runs.Run) bool {
		// Who died before he was asked will never answer; the next look tells what has become of it.
		if r.State == runs.Running && time.Now().After(r.HeldUntil) {
			_, _ = book.Ask(ctx, verb, name, wanted)
		}
		return r.State == until || r.Over() || r.State == runs.Failed
	})
}

// listRuns prints the runs of some verbs, and how each stands.
func (o *operator) listRuns(ctx context.Context, out io.Writer, asJSON bool, standing func(runs.Run) string, verbs ...string) error {
	var found []runs.Run
	for _, verb := range verbs {
		some, err := runs.Open(o.bus).List(ctx, verb)
		if err != nil {
			return err
		}
		found = append(found, some...)
	}
	list := newListing(out, asJSON, "NAME\tSTATE\tASKED FOR BY\tAT\tPROGRESS")
	for _, r := range found {
		list.row(r, "%s\t%s\t%s\t%s\t%s", r.Name, r.State, r.Actor, r.CreatedAt.UTC().Format(time.RFC3339), standing(r))
	}
	return list.end(0)
}
