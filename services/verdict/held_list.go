package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/provider"
)

type heldListCommand struct {
	heldFilter
	Limit int    `default:"50" help:"How many at most; 0 for all."`
	After uint64 `help:"Begin behind this one, to go on where a list has ended." placeholder:"NUMBER"`
	JSON  bool   `name:"json" help:"Print the list as JSON."`
}

// Help is shown by `verdict held list --help`.
func (*heldListCommand) Help() string {
	return `Lists what is held, the oldest first. Bodies are not opened.

Examples:
  verdict held list --provider treezor
  verdict held list --limit 0 --json`
}

// heldRow is a held delivery as it is listed.
type heldRow struct {
	Held       uint64    `json:"held"`
	Delivery   string    `json:"delivery"`
	Provider   string    `json:"provider"`
	Event      string    `json:"event"`
	ReceivedAt time.Time `json:"received_at"`
	HeldAt     time.Time `json:"held_at"`
	Bytes      int       `json:"bytes"` // of the sealed body
}

func newHeldRow(i *held.Item) heldRow {
	return heldRow{
		Held: i.Seq, Delivery: i.ID, Provider: i.Provider, Event: i.Event, ReceivedAt: i.ReceivedAt.UTC(), HeldAt: i.Held.UTC(), Bytes: len(i.Sealed),
	}
}

// Run lists what is held.
func (cmd *heldListCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	if cmd.Limit < 0 {
		return errors.New("--limit must not be below 0")
	}
	ctx, o, desk, stop, err := openHeld(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := cmd.check(o); err != nil {
		return err
	}
	list := newListing(out, cmd.JSON, "HELD\tRECEIVED\tPROVIDER\tEVENT\tBYTES\tDELIVERY")
	next := cmd.After
	for left := cmd.Limit; ; {
		size := heldPage
		if cmd.Limit > 0 {
			size = min(size, left)
		}
		page, err := desk.Page(ctx, cmd.filter(), next, size)
		if err != nil {
			return deadNext(err)
		}
		for i := range page.Items {
			row := newHeldRow(&page.Items[i])
			list.row(row, "%d\t%s\t%s\t%s\t%d\t%s", row.Held, row.ReceivedAt.Format(time.RFC3339), row.Provider, row.Event, row.Bytes, row.Delivery)
		}
		next, left = page.Next, left-len(page.Items)
		if next == 0 || cmd.Limit > 0 && left <= 0 {
			return list.end(next)
		}
	}
}

// heldPage is how many held deliveries are taken at a time, bodies and all.
const heldPage = 100

type heldShowCommand struct {
	Held   string `arg:"" help:"The number that the list shows, or the id of the delivery."`
	Reveal bool   `help:"Open the body and print it, with all personal data in it. That is noted in the audit."`
	JSON   bool   `name:"json" help:"Print it as JSON."`
}

// Help is shown by `verdict held show --help`.
func (*heldShowCommand) Help() string {
	return `Shows a held delivery. With the master key and the key directory it says whether that is a webhook or the
handshake of an endpoint, and --reveal shows the body: what a handshake asks for, or what a webhook says.
Nobody has signed it, and no URL in it is ever fetched by Verdict.

Example:
  verdict held show 3 --reveal`
}

// shownHeld is a held delivery and what can be done with it.
type shownHeld struct {
	heldRow
	// Handshake is null where only the body could tell, and it cannot be opened.
	Handshake *bool    `json:"handshake"`
	Body      string   `json:"body,omitempty"`
	Advice    []string `json:"advice"`
}

// Run shows it.
func (cmd *heldShowCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, desk, stop, err := openHeld(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	numbers, err := findHeld(ctx, desk, []string{cmd.Held})
	if err != nil {
		return err
	}
	item, err := desk.Item(ctx, numbers[0])
	if err != nil {
		return err
	}
	shown := shownHeld{heldRow: newHeldRow(&item)}
	handshake, err := desk.Handshake(&item)
	if err == nil {
		shown.Handshake = &handshake
	} else if !held.Closed(err) {
		return err
	}
	if cmd.Reveal {
		body, err := desk.Open(&item)
		if err != nil {
			return err
		}
		if err := o.audit(ctx, bus.AuditEntry{Verb: "held-reveal", Target: "held delivery " + item.ID, Count: 1}); err != nil {
			return err
		}
		shown.Body = string(body)
	}
	shown.Advice = shown.advice()
	if cmd.JSON {
		return writeIndented(out, shown)
	}
	shown.write(out)
	return nil
}

func (s *shownHeld) advice() []string {
	discard := fmt.Sprintf("give it up: verdict held discard %d --reason WHY", s.Held)
	release := fmt.Sprintf("if it is what its provider has sent, have it folded: verdict held release %d", s.Held)
	switch {
	case s.Handshake == nil:
		return []string{"only with the keys can it be told from the handshake of an endpoint: use the settings of the receiver", discard}
	case *s.Handshake:
		return []string{"if you have registered this endpoint, confirm it at the provider yourself; Verdict fetches nothing", discard}
	default:
		return []string{release, discard}
	}
}

func (s *shownHeld) write(out io.Writer) {
	what := "a webhook, or the handshake of an endpoint"
	if s.Handshake != nil {
		what = "a webhook that nobody signed"
		if *s.Handshake {
			what = "the handshake of an endpoint"
		}
	}
	for _, row := range []struct{ name, value string }{
		{"Held", fmt.Sprint(s.Held)},
		{"Is", what},
		{"Delivery", s.Delivery},
		{"Provider", s.Provider},
		{"Event", s.Event},
		{"Received", s.ReceivedAt.Format(time.RFC3339)},
		{"Bytes", fmt.Sprint(s.Bytes)},
	} {
		fmt.Fprintf(out, "%-10s%s\n", row.name, row.value)
	}
	if s.Body != "" {
		// What a stranger wrote must not reach the terminal as it is.
		fmt.Fprintf(out, "\n%s\n", harmless(s.Body))
	}
	fmt.Fprintln(out, "\nWhat can be done:")
	for _, advice := range s.Advice {
		fmt.Fprintln(out, "  "+advice)
	}
}
