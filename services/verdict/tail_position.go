package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/durable"
)

// tailPosition is how far a stream has been printed, as it is kept in a file.
type tailPosition struct {
	Stream   string `json:"stream"`
	Identity string `json:"identity"` // when the stream was made
	Sequence uint64 `json:"sequence"` // of the last event that was looked at
}

// begin finds where to begin.
func (t *tailer) begin(ctx context.Context) error {
	since := t.cmd.Since.Time
	state, err := t.bus.StreamState(ctx, t.cmd.stream())
	if err != nil {
		return err
	}
	now := tailPosition{Stream: t.cmd.stream(), Identity: streamIdentity(state), Sequence: state.LastSeq}
	kept, found, err := readTailPosition(t.cmd.Resume)
	switch {
	case err != nil:
		return err
	case found:
		if kept.Stream != now.Stream {
			return fmt.Errorf("%s is of %s, and this would print %s: give another file, or change --sandbox", t.cmd.Resume, kept.Stream, now.Stream)
		}
		now, t.kept = kept, kept
		fmt.Fprintf(t.errs, "verdict tail: goes on after %d of %s, as %s says\n", now.Sequence, now.Stream, t.cmd.Resume)
	case t.cmd.After != nil:
		now.Sequence = *t.cmd.After
		if now.Sequence == 0 { // the beginning, wherever that is
			now.Sequence = max(state.FirstSeq, 1) - 1
		}
	case !since.IsZero():
		if err := reachesBack(now.Stream, state, since); err != nil {
			return err
		}
		first, err := t.bus.FirstSince(ctx, now.Stream, since)
		if err != nil {
			return err
		}
		now.Sequence = max(first, 1) - 1
	}
	t.position = now
	if err := now.fits(state); err != nil {
		return err
	}
	return t.keep()
}

// reachesBack returns why the events since a time cannot be printed, if some of them were removed.
func reachesBack(stream string, state bus.StreamState, since time.Time) error {
	switch {
	case state.FirstSeq <= 1:
	case state.Messages == 0 && (state.LastTime.IsZero() || !since.After(state.LastTime)): // The broker may not know any more when the last one was.
		return fmt.Errorf("%s is empty now, and its events up to %d were removed: use --after %d to begin with what comes next",
			stream, state.LastSeq, state.LastSeq)
	case state.Messages > 0 && since.Before(state.FirstTime):
		return fmt.Errorf("%s begins at %s now, with %d, and older events were removed: use --after %d to begin there",
			stream, state.FirstTime.UTC().Format(time.RFC3339), state.FirstSeq, state.FirstSeq-1)
	}
	return nil
}

func streamIdentity(state bus.StreamState) string {
	return state.Created.UTC().Format(time.RFC3339Nano)
}

// fits returns why nobody can go on after the position, if so.
func (p tailPosition) fits(state bus.StreamState) error {
	switch {
	case p.Identity != streamIdentity(state):
		return fmt.Errorf("%s was made anew on %s, and this position is of the one before: begin again with --after 0, and with another --resume file",
			p.Stream, streamIdentity(state))
	case p.Sequence > state.LastSeq:
		return fmt.Errorf("%s ends at %d, and %d is beyond: begin at --after %d or before", p.Stream, state.LastSeq, p.Sequence, state.LastSeq)
	case p.Sequence+1 < state.FirstSeq:
		return fmt.Errorf("%s begins at %d now, and events after %d were removed: begin with --after %d, and without the old --resume file",
			p.Stream, state.FirstSeq, p.Sequence, state.FirstSeq-1)
	}
	return nil
}

// readTailPosition reads what write has written, if there is anything.
func readTailPosition(file string) (p tailPosition, found bool, err error) {
	if file == "" {
		return p, false, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil && p.Stream == "" {
		err = errors.New("it names no stream")
	}
	if err != nil {
		return p, false, fmt.Errorf("--resume: %s is no position that verdict tail has kept: %w", file, err)
	}
	return p, true, nil
}

// write replaces the file as a whole: it is there with the old position or with the new one.
func (p tailPosition) write(file string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return durable.Replace(file, append(text, '\n'))
}
