package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
)

type deadShowCommand struct {
	Letter uint64 `arg:"" help:"The number of the letter, as dead list shows it."`
	JSON   bool   `name:"json" help:"Print it as JSON."`
}

// Help is shown by `verdict dead show --help`.
func (*deadShowCommand) Help() string {
	return `Shows one dead letter with its whole error, whether its message is still there, and what can be done.

Example:
  verdict dead show 17`
}

// shownLetter is a letter, and what is known of its message.
type shownLetter struct {
	deadRow
	// StoredAt is when the message was stored; absent where it is no more in its stream.
	StoredAt *time.Time `json:"stored_at,omitempty"`
	// Advice is what can be done.
	Advice []string `json:"advice"`
}

// Run shows the letter.
func (cmd *deadShowCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, desk, stop, err := openDesk(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	letter, err := desk.Letter(ctx, cmd.Letter)
	if err != nil {
		return deadNext(err)
	}
	shown := shownLetter{deadRow: newDeadRow(&letter)}
	if letter.Stream != bus.Spool {
		message, err := o.bus.Get(ctx, letter.Stream, letter.Sequence)
		if err != nil && !errors.Is(err, bus.ErrNotFound) {
			return err
		}
		if err == nil {
			at := message.Time.UTC()
			shown.StoredAt = &at
		}
	}
	shown.Advice = shown.advice()
	if cmd.JSON {
		return writeIndented(out, shown)
	}
	shown.write(out)
	return nil
}

// advice says what can be done about the letter.
func (s *shownLetter) advice() []string {
	discard := fmt.Sprintf("give it up for good: verdict dead discard %d --reason WHY --yes", s.Letter)
	switch {
	case s.Obstacle != "":
		return []string{s.Obstacle, discard}
	case s.StoredAt == nil:
		return []string{
			fmt.Sprintf("its message is no more in the stream: to redrive it closes the letter, and a delivery becomes expired_unprocessed: verdict dead redrive %d --yes", s.Letter), discard,
		}
	default:
		return []string{fmt.Sprintf("once the cause is mended, have it handled once more: verdict dead redrive %d --yes", s.Letter), discard}
	}
}

func (s *shownLetter) write(out io.Writer) {
	stored := "no more in the stream"
	switch {
	case s.StoredAt != nil:
		stored = "stored " + s.StoredAt.Format(time.RFC3339)
	case s.Stream == bus.Spool:
		stored = "set aside by the receiver"
	}
	for _, row := range []struct{ name, value string }{
		{"Letter", fmt.Sprint(s.Letter)},
		{"Filed", s.FiledAt.Format(time.RFC3339)},
		{"Consumer", s.Consumer},
		{"Message", fmt.Sprintf("%d of %s, %s, %s", s.Sequence, s.Stream, s.Subject, stored)},
		{"Delivery", s.EventID},
		{"Cause", s.Cause},
		{"Error", s.Error},
		{"Attempts", fmt.Sprintf("%d, from %s to %s", s.Attempts, s.FirstErrorAt.Format(time.RFC3339), s.LastErrorAt.Format(time.RFC3339))},
		{"Redriven", fmt.Sprintf("%d times in vain", s.Redrives)},
	} {
		fmt.Fprintf(out, "%-10s%s\n", row.name, row.value)
	}
	fmt.Fprintln(out, "\nWhat can be done:")
	for _, advice := range s.Advice {
		fmt.Fprintln(out, "  "+advice)
	}
}
