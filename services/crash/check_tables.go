package crash

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// position is where a delivery is stored.
type position struct {
	stream string
	seq    uint64
}

// outcomes checks that every stored delivery is in the table of deliveries, once, with the one
// outcome that the streams tell of.
func (c *checker) outcomes() {
	told := map[uint64][]string{}
	for i := range c.Outcomes {
		told[c.Outcomes[i].Sequence] = append(told[c.Outcomes[i].Sequence], string(c.Outcomes[i].Outcome))
	}
	for i := range c.Dead {
		if c.Dead[i].Stream == bus.Webhooks && c.Dead[i].EndsDelivery() {
			told[c.Dead[i].Sequence] = append(told[c.Dead[i].Sequence], string(event.Dead))
		}
	}
	rows := map[position][]string{}
	for _, d := range c.Deliveries {
		if d.Stream == bus.Rejected {
			continue
		}
		outcome := ""
		if d.Outcome != nil {
			outcome = *d.Outcome
		}
		at := position{d.Stream, d.Sequence}
		rows[at] = append(rows[at], outcome)
	}
	for i := range c.Stored {
		s := &c.Stored[i]
		at := position{s.Stream, s.Seq}
		may := []string{string(event.Held)}
		if s.Stream == bus.Webhooks {
			may = told[s.Seq]
		}
		if c.causes[s.Seq] && s.Stream == bus.Webhooks {
			may = []string{string(event.Applied)} // whatever else was told before or after
		}
		switch got := rows[at]; {
		case len(may) == 0:
			c.found.add(Unexplained, "delivery %d of %s, %s, has come to nothing", s.Seq, s.Stream, s.Key)
		case len(got) != 1:
			c.found.add(Unexplained, "delivery %d of %s, %s, is in the table %d times", s.Seq, s.Stream, s.Key, len(got))
		case !slices.Contains(may, got[0]):
			c.found.add(Unexplained, "delivery %d of %s, %s, has the outcome %q, the streams say %q", s.Seq, s.Stream, s.Key, got[0], may)
		}
		delete(rows, at)
	}
	for at := range rows {
		c.found.add(Unexplained, "delivery %d of %s is in the table and in no stream", at.seq, at.stream)
	}
}

// states compares the newest event of each verification with what the deliveries say in one
// pass.
func (c *checker) states() {
	want, err := expected(c.Evidence)
	if err != nil {
		c.found.add(Wrong, "the deliveries cannot be folded: %v", err)
		return
	}
	nothing := (&verification.Kind{}).Fold(nil)
	for name, state := range want {
		last := c.last[name]
		if last == nil {
			c.found.add(Wrong, "%s has no event, it must be %s", name, state.Status)
			continue
		}
		if got := last.State(); !got.Equal(state) {
			c.found.add(Wrong, "%s differs: want %s, got %s", name, text(state), text(got))
		}
	}
	for name, last := range c.last {
		// All that was told of it may belong to another verification: then it says nothing.
		if _, ok := want[name]; !ok && !last.State().Equal(nothing) {
			c.found.add(Wrong, "%s has events, and no delivery tells of it", name)
		}
	}
}

func text(state any) string {
	written, err := json.Marshal(state)
	if err != nil {
		return fmt.Sprint(state)
	}
	return string(written)
}

// tables compares the table of verifications with the newest events.
func (c *checker) tables() {
	rows := map[string]*Current{}
	for i := range c.Current {
		row := &c.Current[i]
		name := name(row.ID, row.Sandbox)
		if rows[name] != nil {
			c.found.add(Doubled, "%s is in the table twice", name)
		}
		rows[name] = row
	}
	for name, last := range c.last {
		row := rows[name]
		switch {
		case row == nil:
			c.found.add(Regressed, "%s is not in the table, its stream has version %d", name, last.Version)
		case row.Version < last.Version || row.Sequence < last.Seq:
			c.found.add(Regressed, "%s has version %d of message %d in the table, its stream has version %d in message %d",
				name, row.Version, row.Sequence, last.Version, last.Seq)
		case row.Sequence != last.Seq || text(row.Verification) != text(last.Verification):
			c.found.add(Wrong, "%s is not in the table what message %d of %s says", name, last.Seq, last.Stream)
		}
	}
	for name := range rows {
		if c.last[name] == nil {
			c.found.add(Wrong, "%s is in the table and in no stream", name)
		}
	}
}
