package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/services/lifecycle"
)

type reprocessPlanCommand struct {
	reprocessSelection
}

// Help is shown by `verdict reprocess plan --help`.
func (*reprocessPlanCommand) Help() string {
	return `Reads the deliveries of a provider that are still kept with the decoder and the tables of this program, and
compares what their verifications come to with the state in use. Nothing is written but a temporary file.
It needs the keys and the lifecycle's database, so it runs where they are.

Shown are the verifications that would become others, the deliveries that would end in another way (what
was dead or unhandled may be applied now), and what cannot be read: "undecodable" by this version, "expired"
with its key, "lost" without it. What cannot be read keeps what it said before.

Examples:
  verdict reprocess plan --provider idenfy
  verdict reprocess plan --provider treezor --kind liveness --since 48h --limit 100
  verdict reprocess plan --verification idenfy/id_verification/3af0b5c9 --json`
}

// Run makes the plan and prints it.
func (cmd *reprocessPlanCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	spec, err := cmd.spec(providers)
	if err != nil {
		return err
	}
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	plan, err := o.planReprocess(ctx, spec, cmd.Limit, cmd.JSON)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return writeIndented(out, plan)
	}
	return writeReprocessPlan(out, plan)
}

func writeReprocessPlan(out io.Writer, p *lifecycle.ReprocessPlan) error {
	fmt.Fprintf(out, "%d deliveries of %s are kept: %s. Decoder %d, tables %s.\n", p.Read(), p.Spec.Provider, counted(p.Deliveries), p.Spec.Decoder, p.Spec.Tables)
	if len(p.Ends) > 0 {
		fmt.Fprintf(out, "Deliveries that end in another way: %s.\n", counted(p.Ends))
	}
	fmt.Fprintf(out, "%d of %d verifications would become others, with %d events.\n", p.Changed, p.Verifications, p.Events)
	if p.Changed == 0 {
		return nil
	}
	fmt.Fprintf(out, "By status: %s.\n", counted(p.Statuses))
	if len(p.Fields) > 0 {
		fmt.Fprintf(out, "By what changes: %s.\n", counted(p.Fields))
	}
	const padding = 2
	table := tabwriter.NewWriter(out, 0, 0, padding, ' ', 0)
	fmt.Fprintln(table, "\nVERIFICATION\tVERSION\tSTATUS\tDECIDED BY\tREASONS\tEVENTS\tCHANGES")
	for i := range p.Differences {
		d := &p.Differences[i]
		before := d.Before
		if before == nil {
			before = &verification.State{}
		}
		name := d.Verification
		if d.Sandbox {
			name += " (sandbox)"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%d\t%s\n", name, d.Version,
			fromTo(string(before.Status), string(d.After.Status)), fromTo(string(before.By), string(d.After.By)),
			fromTo(codes(before.Reasons), codes(d.After.Reasons)), d.Events, strings.Join(d.Fields, " "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more := p.Changed - uint64(len(p.Differences)); more > 0 {
		fmt.Fprintf(out, "… and %d more: --limit shows them.\n", more)
	}
	return nil
}

// fromTo is one word where nothing changes.
func fromTo(before, after string) string {
	show := func(text string) string {
		if text == "" {
			return "-"
		}
		return text
	}
	if before == after {
		return show(after)
	}
	return show(before) + " → " + show(after)
}

func codes(reasons []verification.Reason) string {
	list := make([]string, len(reasons))
	for i := range reasons {
		list[i] = reasons[i].Code
	}
	return strings.Join(list, " ")
}

// counted lists counts by their names.
func counted(counts map[string]uint64) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%d %s", counts[name], name))
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
