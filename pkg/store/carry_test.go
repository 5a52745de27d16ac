package store

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// never is for events whose deliveries are no more.
func never(*EventRow) bool { return false }

// everywhere is a position that no stream reaches.
func everywhere() map[string]uint64 {
	return map[string]uint64{webhookStream: math.MaxInt64, verificationStream: math.MaxInt64, sandboxStream: math.MaxInt64}
}

// What the streams hold is never taken from the one in use, and what they do not hold always is.
func testCarryIsWhatNoStreamGives(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	wrong := testEventRow("wrong", 1, 2, 2)
	put(t, m, testEventRow("a", 1, 1, 1), wrong, testEventRow("a", 2, 3, 3), testEventRow("later", 1, 9, 9))
	odd := testDeliveryOf(2)
	odd.EventID = "odd"
	must(t, m.PutDelivery(t.Context(), odd))
	r := beginRebuild(t, m, false)
	must(t, r.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("b", 1, 2, 2)}, Deliveries: []Delivery{testDeliveryOf(2)}}))
	must(t, r.Index(t.Context()))
	through := map[string]uint64{webhookStream: 5, verificationStream: 5, sandboxStream: 5}
	_, err := r.Carry(t.Context(), through, never, unpaced)
	must(t, err)
	page, err := r.Model().Verifications(t.Context(), VerificationFilter{Limit: 10})
	must(t, err)
	var got []string
	for _, row := range page.Rows {
		got = append(got, fmt.Sprint(row.Data.ID, "@", row.Data.Version))
	}
	if diff := cmp.Diff([]string{testID("b").String() + "@1", testID("a").String() + "@2"}, got); diff != "" {
		t.Errorf("verifications (-want +got):\n%s", diff)
	}
	for _, d := range deliveries(t, r.Model()) {
		if d.Sequence == 2 && d.EventID != testDeliveryOf(2).EventID || d.Sequence > 5 {
			t.Errorf("delivery %+v", d)
		}
	}
	rows, err := m.Snapshot(t.Context())
	must(t, err)
	defer func() { check(t, rows.Close(t.Context())) }()
	made, err := r.Model().Snapshot(t.Context())
	must(t, err)
	defer func() { check(t, made.Close(t.Context())) }()
	d, err := made.Difference(t.Context(), rows, "verification_event", 2)
	must(t, err)
	want := Difference{Table: "verification_event", Missing: 2, Added: 1, Examples: []string{
		testID("b").String() + " 1", testID("later").String() + " 1",
	}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
	d, err = made.Difference(t.Context(), rows, "delivery", 1)
	must(t, err)
	if d.Changed != 1 || len(d.Examples) != 1 || d.Examples[0] != webhookStream+" 2" {
		t.Errorf("difference %+v", d)
	}
}

// What another version of Verdict has written is taken over as it is.
func testCarryKeepsTheText(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	e := testEventRow("a", 1, 1, 1)
	text, err := e.encoded()
	must(t, err)
	e.Encoded = []byte(strings.Replace(text, "{", `{"added_later": 1, `, 1))
	put(t, m, e)
	r := beginRebuild(t, m, false)
	must(t, r.Index(t.Context()))
	_, err = r.Carry(t.Context(), everywhere(), never, unpaced)
	must(t, err)
	if diff := cmp.Diff(sumsOf(t, m), sumsOf(t, r.Model())); diff != "" {
		t.Errorf("checksums (-in use +new):\n%s", diff)
	}
}

// What is missing is found as if the positions were compared one by one, whether they have gaps or not.
func testMissing(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	const mine, theirs, last = "MINE", "THEIRS", 9 * skipPage
	has := map[string]func(seq uint64) bool{
		mine: func(seq uint64) bool { return seq > 10 && seq%1000 != 7 },
		theirs: func(seq uint64) bool {
			return seq > 20 && (seq < 2*skipPage+100 || seq > 2*skipPage+110) && seq != 4*skipPage+3 && seq <= last
		},
	}
	var want []uint64
	var b Bulk
	for seq := uint64(1); seq <= last+50; seq++ {
		for _, stream := range []string{mine, theirs} {
			if has[stream](seq) {
				b.Deliveries = append(b.Deliveries, Delivery{Stream: stream, Sequence: seq, ReceivedAt: start})
			}
		}
		if seq <= last+20 && has[mine](seq) && !has[theirs](seq) {
			want = append(want, seq)
		}
	}
	must(t, m.PutBulk(t.Context(), b))
	of := func(stream string) *positions {
		return &positions{statements: m.db.read(), end: last + 20, args: []any{stream}, query: `SELECT sequence FROM delivery WHERE stream = $1`}
	}
	var got []uint64
	skipped := 0
	must(t, missing(t.Context(), of(mine), of(theirs), func(n int) error {
		skipped += n
		return nil
	}, func(first, last uint64) error {
		for seq := first; seq <= last; seq++ {
			if has[mine](seq) {
				got = append(got, seq)
			}
		}
		return nil
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if skipped == 0 {
		t.Error("nothing was skipped")
	}
}
