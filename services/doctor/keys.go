package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/spool"
	"github.com/verdict-stream/verdict/pkg/store"
)

const (
	timeLayout = time.RFC3339
	// stuckAfter is how long a message may wait for a consumer that does not move.
	stuckAfter = time.Minute
	// destroyGrace is how long after its time something may still be there that is destroyed then: whoever does it may be standing still.
	destroyGrace = time.Hour
	// hourLayout is the name of a key's file.
	hourLayout = "2006-01-02T15"
)

// outboxes looks whether what waits to be published moves.
func (e *examination) outboxes(ctx context.Context) error {
	before, err := e.waiting(ctx)
	if err != nil || len(before) == 0 {
		return err
	}
	if err := pause(ctx, e.Settle); err != nil {
		return err
	}
	now, err := e.waiting(ctx)
	if err != nil {
		return err
	}
	c := e.checks[Outbox]
	for where, first := range now {
		if before[where] == first {
			c.find(where+first, "%s does not move: what waits first is %s", where, first)
			c.advise("see to it that the broker takes messages, and what the log of the service says")
		}
	}
	return nil
}

// waiting returns what waits first in each outbox and in the spool, where anything does.
func (e *examination) waiting(ctx context.Context) (map[string]string, error) {
	first := map[string]string{}
	c := e.checks[Outbox]
	c.looked = 0
	for i := range e.Providers {
		provider := e.Providers[i].Name
		l, err := store.OpenLifecycleReader(ctx, e.Store, provider)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, stream := range []string{bus.Verifications, bus.Sandbox} {
			n, id, err := l.OutboxSize(ctx, stream)
			if err != nil {
				return nil, errors.Join(err, l.Close())
			}
			if n > 0 {
				first[fmt.Sprintf("the outbox of %s to %s", provider, stream)] = fmt.Sprintf("row %d", id)
			}
			c.looked++
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	waiting, err := spool.Export(ctx, e.SpoolDir, io.Discard)
	c.looked++
	if errors.Is(err, spool.ErrDamaged) {
		c.find("spool", "%v", err)
		c.advise("put back the file; or move the directory away, and lose what it holds")
		return first, nil
	}
	if err == nil && waiting.Entries > 0 && e.now.Sub(waiting.Oldest) > stuckAfter {
		first["the spool in "+e.SpoolDir] = fmt.Sprintf("of %s, one of %d", waiting.Oldest.Format(timeLayout), waiting.Entries)
	}
	return first, err
}

// keys looks at the keys of held deliveries, and for keys whose time is over.
func (e *examination) keys(ctx context.Context) error {
	c := e.checks[Keys]
	if e.Keys == nil && !e.NoKeyDir {
		c.skip("there is no master key in the settings")
		return nil
	}
	seen := map[string]bool{}
	_, err := e.Bus.ReadHeaders(ctx, bus.Held, "kyc.held.>", 1, func(m bus.Stored) error { return e.sealed(ctx, m, seen) })
	if err != nil {
		return wrap("read held deliveries", err)
	}
	for i := range e.Providers {
		provider := e.Providers[i].Name
		files, err := os.ReadDir(filepath.Join(e.KeyDir, provider))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return wrap("read the key directory", err)
		}
		for _, file := range files {
			hour, err := time.ParseInLocation(hourLayout, file.Name(), time.UTC)
			if err != nil {
				continue
			}
			c.looked++
			if over := hour.Add(e.Retention(provider)); e.now.Sub(over) > destroyGrace {
				c.find("over "+provider+file.Name(), "key %s/%s is still there, its time was over at %s", provider, file.Name(), over.Format(timeLayout))
				c.advise("see to it that `verdict lifecycle` runs and may delete files in %s", e.KeyDir)
			}
		}
	}
	return nil
}

// claims looks for personal data whose time is over.
func (e *examination) claims(ctx context.Context) error {
	if e.model == nil {
		return nil
	}
	c := e.checks[Claims]
	return e.model.KeptClaims(ctx, func(id string, sandbox bool, received time.Time) error {
		c.looked++
		provider, _, _ := strings.Cut(id, "/")
		if over := received.Add(e.Retention(provider)); !received.IsZero() && e.now.Sub(over) > destroyGrace {
			c.find(name(id, sandbox), "the claims of %s are still there, their time was over at %s", name(id, sandbox), over.UTC().Format(timeLayout))
			c.advise("see to it that `verdict lifecycle` and `verdict projector` run")
		}
		return nil
	})
}
