package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/provider"
)

type deadListCommand struct {
	deadFilter
	Limit int    `default:"50" help:"How many at most; 0 for all."`
	After uint64 `help:"Begin behind this letter, to go on where a list has ended." placeholder:"LETTER"`
	JSON  bool   `name:"json" help:"Print the list as JSON."`
}

// Help is shown by `verdict dead list --help`.
func (*deadListCommand) Help() string {
	return `Lists the open dead letters, the oldest first. What was redriven well or discarded is no more there.

Examples:
  verdict dead list
  verdict dead list --provider idenfy --cause undecodable --since 24h
  verdict dead list --limit 0 --json`
}

// deadRow is a letter as it is listed.
type deadRow struct {
	Letter  uint64    `json:"letter"`
	FiledAt time.Time `json:"filed_at"`
	bus.DeadLetter
	// Obstacle is why it cannot be redriven, and what to do instead.
	Obstacle string `json:"obstacle,omitempty"`
}

func newDeadRow(l *bus.Letter) deadRow {
	return deadRow{Letter: l.Seq, FiledAt: l.Filed.UTC(), DeadLetter: l.DeadLetter, Obstacle: letters.Obstacle(l)}
}

// listPage is how many rows are taken at a time, and so held in memory.
const listPage = 500

// Run lists the letters.
func (cmd *deadListCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	if cmd.Limit < 0 {
		return errors.New("--limit must not be below 0")
	}
	ctx, o, desk, stop, err := openDesk(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := cmd.check(o); err != nil {
		return err
	}
	list := newListing(out, cmd.JSON, "LETTER\tFILED\tCONSUMER\tDELIVERY\tCAUSE\tATTEMPTS\tREDRIVEN\tERROR")
	next := cmd.After
	for left := cmd.Limit; ; {
		size := listPage
		if cmd.Limit > 0 {
			size = min(size, left)
		}
		page, err := desk.Page(ctx, cmd.filter(), next, size)
		if err != nil {
			return deadNext(err)
		}
		for i := range page.Letters {
			l := &page.Letters[i]
			list.row(newDeadRow(l), "%d\t%s\t%s\t%s\t%s\t%d\t%d\t%s", l.Seq, l.Filed.UTC().Format(time.RFC3339), l.Consumer, l.EventID, l.Cause, l.Attempts, l.Redrives, cut(l.Error, shownError))
		}
		next, left = page.Next, left-len(page.Letters)
		if next == 0 || cmd.Limit > 0 && left <= 0 {
			return list.end(next)
		}
	}
}

// shownError is how much of an error stands in a table.
const shownError = 60

// listing prints a list row by row, as a table or as JSON, and holds none of it.
type listing struct {
	out   io.Writer
	table *tabwriter.Writer // nil for JSON
	rows  int
	err   error
}

func newListing(out io.Writer, asJSON bool, header string) *listing {
	l := &listing{out: out}
	if asJSON {
		l.write(`{"data":[`)
		return l
	}
	const padding = 2
	l.table = tabwriter.NewWriter(out, 0, 0, padding, ' ', 0)
	fmt.Fprintln(l.table, header)
	return l
}

func (l *listing) write(text string) {
	if l.err == nil {
		_, l.err = io.WriteString(l.out, text)
	}
}

// row prints one row.
func (l *listing) row(value any, format string, columns ...any) {
	l.rows++
	if l.table != nil {
		fmt.Fprintf(l.table, format+"\n", columns...)
		if l.rows%listPage == 0 {
			l.err = errors.Join(l.err, l.table.Flush())
		}
		return
	}
	if l.rows > 1 {
		l.write(",")
	}
	text, err := json.Marshal(value)
	if err != nil {
		l.err = errors.Join(l.err, err)
	}
	l.write("\n" + string(text))
}

// end prints where the next page begins, if there is one.
func (l *listing) end(next uint64) error {
	if l.table != nil {
		l.err = errors.Join(l.err, l.table.Flush())
		if next > 0 {
			l.write(fmt.Sprintf("There are more: go on with --after %d\n", next))
		}
		return l.err
	}
	text := "null"
	if next > 0 {
		text = fmt.Sprint(next)
	}
	l.write("\n],\"next_after\":" + text + "}\n")
	return l.err
}
