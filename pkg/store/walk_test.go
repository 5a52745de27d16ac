package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// walk reads pages to the last, and writes between them. It returns what it saw, and up to where the last page promises all.
func walk(t fataler, m *ReadModel, f VerificationFilter, between func()) (seen []string, asOf uint64) {
	t.Helper()
	for {
		page, err := m.Verifications(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Rows {
			seen = append(seen, row.Data.Reference)
		}
		if page.Next.IsZero() {
			return seen, page.AsOf
		}
		f.After = page.Next
		between()
	}
}

func putProgress(t fataler, m *ReadModel, sequence uint64) {
	t.Helper()
	if err := m.PutProgress(context.Background(), Progress{Stream: verificationStream, Sequence: sequence, At: start}); err != nil {
		t.Fatal(err)
	}
}

// testWalkWaits writes an event after those that follow it in the stream, as a redelivery does, while pages are read: whoever reads to the
// end sees it, and sees what was ahead of it though that never comes again.
func testWalkWaits(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	event := func(reference string, version int, sequence uint64) EventRow {
		e := testEventRow(reference, version, sequence, sequence)
		e.Data.Applicant = new("somebody")
		return e
	}
	for name, filter := range map[string]VerificationFilter{
		"all": {}, "applicant": {Applicant: "somebody"}, "provider": {Provider: testProvider}, "status": {Status: "pending"},
	} {
		filter.Limit = 2
		emptied(t, m)
		put(t, m, event("a", 1, 1), event("c", 1, 3), event("d", 1, 4))
		putProgress(t, m, 1)
		seen, asOf := walk(t, m, filter, func() {
			put(t, m, event("b", 1, 2))
			putProgress(t, m, 4)
		})
		if diff := cmp.Diff([]string{"a", "c", "b", "c", "d"}, seen); diff != "" || asOf != 4 {
			t.Errorf("%s: as of %d (-want +got):\n%s", name, asOf, diff)
		}
		// Nothing is read twice, and nothing waited for, where what is missing does not come.
		emptied(t, m)
		put(t, m, event("a", 1, 1), event("a", 2, 3), event("d", 1, 4), event("e", 1, 5))
		putProgress(t, m, 1)
		seen, asOf = walk(t, m, filter, func() {})
		if diff := cmp.Diff([]string{"a", "d", "e"}, seen); diff != "" || asOf != 1 {
			t.Errorf("%s, where nothing comes: as of %d (-want +got):\n%s", name, asOf, diff)
		}
	}
}

// testWalkMissesNothing writes random events in a random order while pages of random length are read.
func testWalkMissesNothing(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	rapid.Check(t, func(t *rapid.T) {
		emptied(t, m)
		count := rapid.IntRange(1, 24).Draw(t, "events")
		var stream []EventRow
		versions := map[string]int{}
		for i := range count {
			reference := fmt.Sprint("v", rapid.IntRange(0, 8).Draw(t, "verification"))
			versions[reference]++
			stream = append(stream, testEventRow(reference, versions[reference], uint64(i+1), uint64(i+1)))
		}
		// Events are written out of order, but not by more than some places.
		order := make([]int, count)
		places := map[int]int{}
		for i := range order {
			order[i], places[i] = i, i+rapid.IntRange(0, 6).Draw(t, "delay")
		}
		slices.SortStableFunc(order, func(a, b int) int { return places[a] - places[b] })
		written := make([]bool, count+1)
		step := func() {
			for range rapid.IntRange(0, 4).Draw(t, "writes") {
				if len(order) == 0 {
					return
				}
				if err := m.PutEvent(context.Background(), stream[order[0]]); err != nil {
					t.Fatal(err)
				}
				written[order[0]], order = true, order[1:]
			}
			if rapid.Bool().Draw(t, "progress") {
				putProgress(t, m, uint64(slices.Index(written, false)))
			}
		}
		step()
		step()
		filter := VerificationFilter{Limit: rapid.IntRange(1, 5).Draw(t, "limit")}
		if rapid.Bool().Draw(t, "grouped") {
			filter.Provider = testProvider
		}
		seen, asOf := walk(t, m, filter, step)
		for _, e := range stream[:asOf] {
			if !slices.Contains(seen, e.Data.Reference) {
				t.Fatalf("%s has an event at %d, as of %d, and was not seen in %v", e.Data.Reference, e.Sequence, asOf, seen)
			}
		}
	})
}
