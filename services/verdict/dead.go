package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/provider"
)

type deadCommand struct {
	List     deadListCommand    `cmd:"" help:"List what was given up."`
	Show     deadShowCommand    `cmd:"" help:"Show one dead letter, and what can be done."`
	Redrive  deadRedriveCommand `cmd:"" help:"Have messages handled once more."`
	Discard  deadDiscardCommand `cmd:"" help:"Give messages up for good."`
	Settings kong.Plugins       `embed:""`
}

// Help is shown by `verdict dead --help`.
func (*deadCommand) Help() string {
	return `A message that a consumer cannot handle becomes a dead letter: a reference to it, with the cause.
Once what was wrong is mended, redrive it; give it up for good with discard. Both count first and
change nothing without --yes.

Examples:
  verdict dead list
  verdict dead show 17
  verdict dead redrive --provider idenfy --cause undecodable
  verdict dead discard 17 --reason "sent by a broken test system" --yes`
}

// deadFilter chooses among dead letters.
type deadFilter struct {
	Consumer string `help:"Only what this consumer gave up, such as lifecycle-idenfy." placeholder:"NAME"`
	Provider string `help:"Only deliveries of this provider." placeholder:"NAME"`
	Cause    string `help:"Only what was given up for this cause." placeholder:"CAUSE"`
	Delivery string `help:"Only the delivery of this id." placeholder:"ID"`
	Since    moment `help:"Only what was given up at this time or later: RFC 3339, or how long ago, as 90m." placeholder:"TIME"`
	Until    moment `help:"Only what was given up before this time." placeholder:"TIME"`
}

// check refuses names that cannot be meant.
func (f *deadFilter) check(o *operator) error {
	if f.Provider != "" {
		if _, err := findProvider(o.providers, f.Provider); err != nil {
			return err
		}
	}
	return nil
}

func (f *deadFilter) filter() bus.LetterFilter {
	return bus.LetterFilter{
		Consumer: f.Consumer, Provider: f.Provider, Cause: f.Cause, Delivery: f.Delivery, Since: f.Since.Time, Until: f.Until.Time,
	}
}

// deadSelection is one letter, those of a filter, or all.
type deadSelection struct {
	Letter uint64 `arg:"" optional:"" help:"The number of one letter, as dead list shows it."`
	deadFilter
	All  bool `help:"All, where there is no filter."`
	Yes  bool `help:"Do it. Otherwise say what would be done, and change nothing."`
	JSON bool `name:"json" help:"Print the result as JSON."`
}

func (s *deadSelection) selection() letters.Selection {
	return letters.Selection{
		Letter: s.Letter, Consumer: s.Consumer, Provider: s.Provider, Cause: s.Cause, Delivery: s.Delivery, Since: s.Since.Time, Until: s.Until.Time, All: s.All,
	}
}

// openDesk connects an operator who looks after dead letters.
func openDesk(flags *settingFlags, providers []provider.Provider) (ctx context.Context, o *operator, d *letters.Desk, stop func(), err error) {
	if ctx, o, stop, err = attend(flags, providers); err != nil {
		return nil, nil, nil, nil, err
	}
	return ctx, o, &letters.Desk{Bus: o.bus, Actor: o.actor, Via: "cli"}, stop, nil
}

// deadNext says what to do about an error.
func deadNext(err error) error {
	switch {
	case errors.Is(err, letters.ErrNothing), errors.Is(err, letters.ErrNoLetter):
		return fmt.Errorf("%w; `verdict dead list` shows what there is", err)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted: the same command goes on with the rest")
	case errors.Is(err, bus.ErrUnavailable):
		return fmt.Errorf("%w; once the broker answers, the same command goes on with the rest", err)
	default:
		return err
	}
}

// writePlan says what a selection comes to.
func writePlan(out io.Writer, would string, s letters.Selection, p letters.Plan, redrive bool) {
	number := p.Matched
	if redrive {
		number = p.Redrivable
	}
	what, by := "dead letters", "given up by"
	if s.Unhandled {
		what, by = "deliveries that told of nothing", "handled by"
	}
	fmt.Fprintf(out, "%s %d of %d %s (%s), filed %s to %s\n", would, number, p.Matched, what, s, p.Oldest.Format(time.RFC3339), p.Newest.Format(time.RFC3339))
	for _, list := range []struct {
		title  string
		counts []letters.Count
	}{{by, p.Consumers}, {"because of", p.Causes}} {
		for _, c := range list.counts {
			fmt.Fprintf(out, "  %s %s: %d\n", list.title, c.Name, c.Count)
		}
	}
	for _, c := range p.Obstacles {
		if redrive {
			fmt.Fprintf(out, "  %d cannot be redriven: %s\n", c.Count, c.Name)
		}
	}
}

// cut shortens a text for a table.
func cut(text string, length int) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > length {
		return string(runes[:length-1]) + "…"
	}
	return text
}
