package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// heldSelection is some that are named, those of a filter, or all.
type heldSelection struct {
	Held []string `arg:"" optional:"" help:"The numbers that the list shows, or ids of deliveries."`
	heldFilter
	All  bool `help:"All, where there is no filter."`
	Yes  bool `help:"Do it also where no numbers are given. Otherwise say how many that would be, and change nothing."`
	JSON bool `name:"json" help:"Print the result as JSON."`
}

var errHeldSelection = errors.New("name what is meant: numbers, a filter, or --all")

func (s *heldSelection) checkSelection() error {
	filtered := s.filter() != held.Filter{}
	if len(s.Held) > 0 && (filtered || s.All) || filtered && s.All || len(s.Held) == 0 && !filtered && !s.All {
		return errHeldSelection
	}
	return nil
}

type heldReleaseCommand struct{ heldSelection }

// Help is shown by `verdict held release --help`.
func (*heldReleaseCommand) Help() string {
	return `Lets held deliveries go on their way, sealed as they are, as if they had been accepted: they are folded
and end as any other. In the list of deliveries the held one becomes a repeat of the accepted one of the
same id, with the cause released. To release twice does no harm. The handshake of an endpoint is refused.

Examples:
  verdict held release 3 5
  verdict held release --provider treezor --event kycreview_result
      Say how many that would be; --yes does it.`
}

// Run releases.
func (cmd *heldReleaseCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	return cmd.each(out, flags, providers, decision{
		verb: "held-release", would: "Would release", done: "released",
		check: func(ctx context.Context, d *held.Desk, seq uint64) error {
			_, err := d.Releasable(ctx, seq)
			return err
		},
		do: func(ctx context.Context, d *held.Desk, seq uint64) error {
			_, _, err := d.Release(ctx, seq)
			return err
		},
	})
}

type heldDiscardCommand struct {
	heldSelection
	Reason string `help:"Why, for the audit. Without personal data." placeholder:"TEXT"`
}

// Help is shown by `verdict held discard --help`.
func (*heldDiscardCommand) Help() string {
	return `Gives held deliveries up. Their outcome is dead, with the cause discarded, and their bodies are gone.

Examples:
  verdict held discard 4 --reason "nobody asked for this endpoint"
  verdict held discard --all --reason "load test" --yes`
}

// Run discards.
func (cmd *heldDiscardCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	if err := letters.CheckReason(cmd.Reason); err != nil {
		return fmt.Errorf("--reason: %w", err)
	}
	return cmd.each(out, flags, providers, decision{
		verb: "held-discard", would: "Would discard", done: "discarded", note: cmd.Reason,
		check: func(ctx context.Context, d *held.Desk, seq uint64) error {
			_, err := d.Item(ctx, seq)
			return err
		},
		do: func(ctx context.Context, d *held.Desk, seq uint64) error {
			_, err := d.Discard(ctx, seq)
			return err
		},
	})
}

// decision is what is done with each held delivery.
type decision struct {
	verb, would, done, note string
	check, do               func(ctx context.Context, d *held.Desk, seq uint64) error
}

// heldResult is what a decision has come to, as JSON. What was refused stays held.
type heldResult struct {
	DryRun  bool     `json:"dry_run"`
	Matched uint64   `json:"matched"`
	Done    uint64   `json:"done"`
	Refused []string `json:"refused"`
}

// maxRefused bounds how many refusals are told one by one.
const maxRefused = 20

// each decides about everything that is selected. What is named and cannot be done is an error before anything is.
func (s *heldSelection) each(out io.Writer, flags *settingFlags, providers []provider.Provider, d decision) error {
	if err := s.checkSelection(); err != nil {
		return err
	}
	ctx, o, desk, stop, err := openHeld(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := s.check(o); err != nil {
		return err
	}
	named, err := findHeld(ctx, desk, s.Held)
	if err != nil {
		return err
	}
	for _, seq := range named {
		if err := d.check(ctx, desk, seq); err != nil {
			return err
		}
	}
	r := heldResult{DryRun: len(named) == 0 && !s.Yes, Refused: []string{}}
	if r.Matched, err = s.count(ctx, desk, named); err != nil {
		return err
	}
	if !r.DryRun {
		target := "held deliveries"
		if len(s.Held) > 0 {
			target = "held " + cut(strings.Join(s.Held, " "), maxReasonShown)
		}
		if err := o.audit(ctx, bus.AuditEntry{Verb: d.verb, Target: target, Filter: s.String(), Count: r.Matched, Note: d.note}); err != nil {
			return err
		}
		if err := s.decide(ctx, desk, named, d, &r); err != nil {
			return deadNext(err)
		}
	}
	return r.write(out, s.JSON, d)
}

const maxReasonShown = 200

// String is the filter as it was asked for.
func (s *heldSelection) String() string {
	if len(s.Held) > 0 {
		return ""
	}
	return letters.Selection{Provider: s.Provider, Delivery: s.Delivery, Since: s.Since.Time, Until: s.Until.Time, All: s.All, Cause: ""}.String() + eventPart(s.Event)
}

func eventPart(name string) string {
	if name == "" {
		return ""
	}
	return " event=" + name
}

func (s *heldSelection) count(ctx context.Context, desk *held.Desk, named []uint64) (n uint64, err error) {
	if len(named) > 0 {
		return uint64(len(named)), nil
	}
	err = s.walk(ctx, desk, func(uint64) error {
		n++
		return nil
	})
	if err == nil && n == 0 {
		err = errNoneHeld
	}
	return n, err
}

func (s *heldSelection) walk(ctx context.Context, desk *held.Desk, fn func(seq uint64) error) error {
	for after := uint64(0); ; {
		page, err := desk.Page(ctx, s.filter(), after, heldPage)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if err := fn(page.Items[i].Seq); err != nil {
				return err
			}
		}
		if after = page.Next; after == 0 {
			return nil
		}
	}
}

// decide does it. What somebody else was faster with is no failure.
func (s *heldSelection) decide(ctx context.Context, desk *held.Desk, named []uint64, d decision, r *heldResult) error {
	one := func(seq uint64) error {
		switch err := d.do(ctx, desk, seq); {
		case err == nil:
			r.Done++
		case errors.Is(err, bus.ErrUnavailable) || ctx.Err() != nil:
			return err
		case len(r.Refused) < maxRefused:
			r.Refused = append(r.Refused, err.Error())
		}
		return nil
	}
	if len(named) == 0 {
		return s.walk(ctx, desk, one)
	}
	for _, seq := range named {
		if err := one(seq); err != nil {
			return err
		}
	}
	return nil
}

func (r *heldResult) write(out io.Writer, asJSON bool, d decision) error {
	var err error
	switch {
	case asJSON:
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(r)
	case r.DryRun:
		fmt.Fprintf(out, "%s %d held deliveries. Nothing was changed: --yes does it.\n", d.would, r.Matched)
	default:
		fmt.Fprintf(out, "%d %s\n", r.Done, d.done)
	}
	for _, refusal := range r.Refused {
		fmt.Fprintln(os.Stderr, refusal)
	}
	if err == nil && !r.DryRun && r.Done < r.Matched {
		err = fmt.Errorf("%d of %d were not %s", r.Matched-r.Done, r.Matched, d.done)
	}
	return err
}

// harmless is a text of strangers without what a terminal would obey.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '\uFFFD'
		}
		return r
	}, text)
}
