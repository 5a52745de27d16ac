package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testRecent has rows handed over that were committed a moment ago, read back, and both at once: all the same.
func testRecent(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	row := func(lane, id string) OutboxRow {
		return OutboxRow{
			Lane: lane, EventID: id, Subject: "s." + id, Header: map[string][]string{"ce-id": {id}, "odd": {`"<é>"`, ""}}, Data: []byte("data of " + id),
		}
	}
	// What is rolled back gives its numbers back.
	failure := errors.New("failure")
	if err := l.Update(t.Context(), func(tx *Tx) error {
		check(t, tx.Append(t.Context(), row("L", "lost"), row("M", "lost")))
		return failure
	}); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	appendRows(t, l, row("L", "a"), row("M", "b"), row("L", "c"), row("L", "d"))

	first := waiting(t, l, "L", 1)
	mixed := waiting(t, l, "L", 10)
	read := waiting(t, l, "L", 10)
	want := []OutboxRow{row("L", "a"), row("L", "c"), row("L", "d")}
	for i := range want {
		want[i].ID = read[i].ID
	}
	for name, got := range map[string][]OutboxRow{"handed over": append(first, mixed[1:]...), "mixed": mixed, "read": read} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	must(t, l.MarkPublished(t.Context(), "M", read[2].ID, 1))
	if rows := waiting(t, l, "M", 10); len(rows) != 0 {
		t.Errorf("published rows wait: %v", rows)
	}

	must(t, l.Reset(t.Context()))
	many := make([]OutboxRow, recentRows+3)
	for i := range many {
		many[i] = row("L", fmt.Sprint(i))
	}
	appendRows(t, l, many...)
	for _, kind := range []string{"more than are held", "read"} {
		got := waiting(t, l, "L", len(many)+1)
		for i := range min(len(many), len(got)) {
			many[i].ID = got[i].ID
		}
		if diff := cmp.Diff(many, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}
