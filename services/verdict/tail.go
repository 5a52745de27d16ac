package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

type tailCommand struct {
	Settings kong.Plugins `embed:""`

	Provider     []string `help:"Only events of these providers."`
	Kind         []string `help:"Only events of these kinds of verifications."`
	Scope        []string `help:"Only events of this scope: case or step."`
	Status       []string `help:"Only events that were published under these: a status, noted, overdue or anonymized."`
	Verification []string `help:"Only events of these verifications, by their ids."`
	Sandbox      bool     `help:"Events of the providers' test environments instead."`
	JSON         bool     `name:"json" help:"Print each event as one line of JSON: a CloudEvent with its stream, sequence and stored_at."`
	Since        moment   `help:"Begin with the first event of this time or later: how long ago, as 1h, or a time as 2026-03-01T12:00:00Z." placeholder:"TIME"`
	After        *uint64  `help:"Begin after this position; 0 is the beginning." placeholder:"SEQUENCE"`
	Resume       string   `help:"Keep the position in this file and go on from there; without the file begin as the other flags say." placeholder:"FILE" type:"path"`
	NoFollow     bool     `help:"End with what there is now."`
}

// Help is shown by `verdict tail --help`.
func (*tailCommand) Help() string {
	return `Prints events of verifications as they come, until Ctrl-C, and then how to go on. Without --since, --after or
--resume it begins with what comes next. It needs the broker of a Verdict that runs: name its data directory
with --data-dir, or the broker with --nats-url. A broker that is restarted is waited for. Nothing is left at
the broker.

With --resume each event is printed at least once, however the command ends: after a crash the last ones may
be printed again.

Examples:
  verdict tail
  verdict tail --provider idenfy --status approved,rejected
  verdict tail --since 1h --scope case
  verdict tail --after 0 --json --no-follow > events.ndjson
  verdict tail --json --resume position.json >> events.ndjson
      Everything once, and nothing missed from one run to the next.`
}

const (
	// tailPoll is between two looks for something new, and tailRetry between two while the broker is away.
	tailPoll  = 200 * time.Millisecond
	tailRetry = time.Second
	// tailKeep is how often the position is kept while there is much to print.
	tailKeep = time.Second
	// tailBuffer is what is printed at a time.
	tailBuffer = 64 << 10
)

// Run prints until it is interrupted.
func (cmd *tailCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	if err := cmd.check(providers); err != nil {
		return err
	}
	ctx, operator, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	t := tailer{cmd: cmd, bus: operator.bus, out: bufio.NewWriterSize(out, tailBuffer), errs: os.Stderr, colours: wantsColours(out)}
	if cmd.Resume != "" {
		t.settle = func() error { return settle(out) }
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	if err := endTorn(out); err != nil {
		return err
	}
	return t.follow(ctx)
}

// check looks for names that nothing has.
func (cmd *tailCommand) check(providers []provider.Provider) error {
	var wrong []error
	var kinds []string
	for _, p := range providers {
		for _, kind := range p.Kinds {
			kinds = append(kinds, kind.Name)
		}
	}
	for _, name := range cmd.Provider {
		_, err := findProvider(providers, name)
		wrong = append(wrong, err)
	}
	known := func(flag string, names, all []string) {
		for _, name := range names {
			if !slices.Contains(all, name) {
				wrong = append(wrong, fmt.Errorf("--%s: %q is unknown; known are %s", flag, name, strings.Join(all, ", ")))
			}
		}
	}
	known("kind", cmd.Kind, kinds)
	known("scope", cmd.Scope, []string{string(verification.Case), string(verification.Step)})
	known("status", cmd.Status, verification.EventStatuses())
	for _, id := range cmd.Verification {
		if _, err := verification.ParseID(id); err != nil {
			wrong = append(wrong, fmt.Errorf("--verification: %q is no id, as in idenfy/id_verification/3af0b5c9", id))
		}
	}
	if !cmd.Since.IsZero() && cmd.After != nil {
		wrong = append(wrong, errors.New("--since and --after both say where to begin: give one"))
	}
	return errors.Join(wrong...)
}

func (cmd *tailCommand) stream() string {
	if cmd.Sandbox {
		return bus.Sandbox
	}
	return bus.Verifications
}

// filters are the subjects of what is asked for; none overlaps another.
func (cmd *tailCommand) filters() []string {
	either := func(names []string) []string {
		if len(names) == 0 {
			return []string{"*"}
		}
		return slices.Compact(slices.Sorted(slices.Values(names)))
	}
	var list []string
	for _, provider := range either(cmd.Provider) {
		for _, kind := range either(cmd.Kind) {
			for _, status := range either(cmd.Status) {
				list = append(list, event.VerificationSubject(cmd.Sandbox, provider, kind, status))
			}
		}
	}
	return list
}

// tailer prints what comes.
type tailer struct {
	cmd     *tailCommand
	bus     *bus.Bus
	out     *bufio.Writer
	errs    io.Writer
	colours bool
	// settle has the disk keep what was written, before the position behind it is kept there.
	settle func() error

	position tailPosition // up to the last line that is on its way
	printed  tailPosition // up to the last line that is written
	kept     tailPosition
	keptAt   time.Time
	away     bool
}

// follow prints until ctx ends, or to the end of what there is. The position is kept whatever happens.
func (t *tailer) follow(ctx context.Context) (err error) {
	defer func() {
		err = cmp.Or(err, t.keep())
		t.goOn()
	}()
	for ctx.Err() == nil {
		end, err := t.round(ctx)
		wait := tailPoll
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, bus.ErrUnavailable):
			if !t.away {
				fmt.Fprintln(t.errs, "verdict tail: the broker is away; waits for it")
			}
			t.away, wait = true, tailRetry
		case err != nil:
			return err
		case t.cmd.NoFollow && t.position.Sequence >= end:
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// round prints what is new, and returns where the stream ended when it began.
func (t *tailer) round(ctx context.Context) (end uint64, err error) {
	state, err := t.bus.StreamState(ctx, t.position.Stream)
	if err != nil {
		return 0, err
	}
	if t.away {
		fmt.Fprintln(t.errs, "verdict tail: the broker is back")
		t.away = false
	}
	if err := t.position.fits(state); err != nil {
		return 0, err
	}
	if state.LastSeq <= t.position.Sequence {
		return state.LastSeq, nil
	}
	_, err = t.bus.Scan(ctx, bus.Span{
		Stream: t.position.Stream, Filters: t.cmd.filters(), From: t.position.Sequence + 1, Through: state.LastSeq,
	}, t.print)
	if err != nil {
		return 0, err
	}
	t.position.Sequence = state.LastSeq
	return state.LastSeq, t.keep()
}

// print prints one message, if it is asked for. One that cannot be read is told of and left out: it must not keep anybody from the next ones.
func (t *tailer) print(m bus.Stored) error {
	line, err := t.line(m)
	if err != nil {
		fmt.Fprintf(t.errs, "verdict tail: message %d of %s is left out: %s\n", m.Seq, m.Stream, harmless(err.Error()))
	}
	if err := t.write(line); err != nil {
		return err
	}
	t.position.Sequence = m.Seq
	if time.Since(t.keptAt) < tailKeep {
		return nil
	}
	return t.keep()
}

// line is what is printed of a message: nothing where it is not asked for.
func (t *tailer) line(m bus.Stored) ([]byte, error) {
	envelope, err := event.Decode(m.Header, m.Data)
	if err != nil {
		return nil, err
	}
	v, published, err := event.VerificationOf(envelope)
	switch {
	case err != nil || !t.cmd.matches(&v):
		return nil, err
	case t.cmd.JSON:
		return tailJSON(m, envelope)
	default:
		return []byte(tailLine(m, &v, published, t.colours)), nil
	}
}

// write writes a line as a whole, so that hardly ever a part of one is written; see endTorn.
func (t *tailer) write(line []byte) error {
	if t.out.Available() < len(line) {
		if err := t.flush(); err != nil {
			return err
		}
	}
	if _, err := t.out.Write(line); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (cmd *tailCommand) matches(v *event.Verification) bool {
	return (len(cmd.Scope) == 0 || slices.Contains(cmd.Scope, string(v.Scope))) &&
		(len(cmd.Verification) == 0 || slices.Contains(cmd.Verification, v.ID))
}

// flush writes out what is on its way.
func (t *tailer) flush() error {
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	t.printed = t.position
	return nil
}

// keep writes out what was printed, and then keeps the position.
func (t *tailer) keep() error {
	if err := t.flush(); err != nil {
		return err
	}
	t.keptAt = time.Now()
	if t.cmd.Resume == "" || t.position == t.kept {
		return nil
	}
	if t.settle != nil {
		if err := t.settle(); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if err := t.position.write(t.cmd.Resume); err != nil {
		return fmt.Errorf("keep the position: %w", err)
	}
	t.kept = t.position
	return nil
}

// goOn says how to print what comes next.
func (t *tailer) goOn() {
	how := fmt.Sprintf("--after %d", t.printed.Sequence)
	if t.cmd.Resume != "" {
		how = "--resume " + t.cmd.Resume
	}
	fmt.Fprintf(t.errs, "verdict tail: ended after %d of %s; go on with %s and the same filters\n", t.printed.Sequence, t.printed.Stream, how)
}
