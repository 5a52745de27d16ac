package verification

import (
	"fmt"
	"slices"
	"strings"
)

// Grid shows the whole table of a kind, one line for each status and one column for each
// thing that a signal can say: a status is a move; `=` the same status again, whose reasons
// and decider stand; `-` a deliberate no-op; a trailing `!` replaces a decision and is
// recorded as an anomaly, `?` records the signal's own anomaly; a leading `+` opens a new
// attempt where the provider's time of the signal is later.
func (k *Kind) Grid() string {
	rows := k.allRows()
	table := [][]string{append([]string{"status"}, says(rows)...)}
	for _, from := range k.reachable() {
		line := []string{orNone(from.Status)}
		for _, row := range rows {
			line = append(line, k.cell(from, row))
		}
		table = append(table, line)
	}
	return layout(table)
}

// Mermaid shows the moves of a kind as a state diagram.
func (k *Kind) Mermaid() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for _, from := range k.reachable() {
		moves := map[string][]string{}
		var order []string
		for _, row := range k.allRows() {
			cell := k.cell(from, row)
			to := strings.Trim(cell, "+!?")
			if to == "-" || to == "=" || to == "" {
				continue
			}
			label := row.Says
			if strings.HasPrefix(cell, "+") {
				label += " (new attempt)"
			}
			if moves[to] == nil {
				order = append(order, to)
			}
			moves[to] = append(moves[to], label)
		}
		source := "[*]"
		if from.Status != "" {
			source = string(from.Status)
		}
		for _, to := range order {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", source, to, strings.Join(moves[to], ", "))
		}
	}
	return b.String()
}

// standpoint is a status and the phase of the signal that set it.
type standpoint struct {
	Status Status
	Phase  Phase
}

// reachable lists the statuses that the rows of a kind can lead to, the empty one first.
func (k *Kind) reachable() []standpoint {
	points := []standpoint{{}}
	for _, status := range Statuses {
		for _, row := range k.allRows() {
			p := standpoint{status, row.Phase}
			if status != row.Status && !(status == Processing && row.Says == SaysUnknown) {
				continue
			}
			if !slices.ContainsFunc(points, func(q standpoint) bool {
				return q.Status == p.Status && classOf(q.Status, q.Phase) == classOf(p.Status, p.Phase)
			}) {
				points = append(points, p)
			}
		}
	}
	return points
}

func (k *Kind) allRows() []Row {
	nothing, _ := k.Row(SaysNothing)
	unknown, _ := k.Row(SaysUnknown)
	return append(slices.Clone(k.Table), nothing, unknown)
}

// cell is what the row does to a status.
func (k *Kind) cell(from standpoint, row Row) string {
	var mark string
	if row.Anomaly != "" {
		mark = "?"
	}
	switch {
	case row.Status == "" && from.Status == "":
		return string(Processing) + mark
	case row.Status == "":
		return "-" + mark
	case slices.Contains(row.OpensAfter, from.Status):
		return "+" + string(row.Status) + mark
	}
	switch guards[classOf(from.Status, from.Phase)][classOf(row.Status, row.Phase)] {
	case keep:
		return "-" + mark
	case change:
		if from.Status != row.Status {
			mark += "!"
		}
	}
	if from.Status == row.Status {
		return "=" + mark
	}
	return string(row.Status) + mark
}

func says(rows []Row) []string {
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Says
	}
	return names
}

func orNone(s Status) string {
	if s == "" {
		return "(none)"
	}
	return string(s)
}

// layout aligns the columns of a table of text.
func layout(table [][]string) string {
	width := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			width[i] = max(width[i], len(cell))
		}
	}
	var b strings.Builder
	for _, line := range table {
		var text strings.Builder
		for i, cell := range line {
			fmt.Fprintf(&text, "%-*s  ", width[i], cell)
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	return b.String()
}
