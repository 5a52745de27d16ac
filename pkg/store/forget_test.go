package store

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// streams are those whose rows testForget writes.
var streams = []string{verificationStream, sandboxStream, webhookStream, "KYC_HELD", rejectedStream, "KYC_OUTCOMES", "KYC_DEAD"}

// fillFrom writes something into every table that one stream has rows in.
func fillFrom(t *testing.T, m *ReadModel, stream string) {
	t.Helper()
	must(t, m.PutProgress(t.Context(), Progress{Stream: stream, Identity: "one", Sequence: 3, At: start}))
	switch stream {
	case verificationStream, sandboxStream:
		e := testEventRow("a", 1, 1, 0)
		e.Sandbox = stream == sandboxStream
		e.Data.Signal.Unknown = []string{"field"}
		put(t, m, e)
		must(t, m.UpdateClaims(t.Context(), e.Data.ID, e.Sandbox, func(ClaimsRow) (*ClaimsRow, error) { return claimsOf(1), nil }))
	case webhookStream, "KYC_HELD", rejectedStream:
		d := testDeliveryOf(1)
		d.Stream = stream
		must(t, m.PutDelivery(t.Context(), d))
		must(t, m.PutOutcome(t.Context(), Outcome{Stream: stream, Sequence: 2, Outcome: OutcomeRepeat, At: start}))
	}
}

// testForget forgets each stream: what is left is what was there without it.
func testForget(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	full := func(without string) []string {
		emptied(t, m)
		for _, stream := range streams {
			if stream != without {
				fillFrom(t, m, stream)
			}
		}
		return dump(t, m.db, readModelTables...)
	}
	all := full("none")
	for _, table := range readModelTables {
		if !slices.ContainsFunc(all, func(line string) bool { return strings.HasPrefix(line, table+" ") }) {
			t.Errorf("nothing is in the table %s", table)
		}
	}
	for _, stream := range streams {
		want := full(stream)
		full("none")
		for range 2 { // the second time there is nothing left to do
			must(t, m.Forget(t.Context(), stream))
			if diff := cmp.Diff(want, dump(t, m.db, readModelTables...)); diff != "" {
				t.Errorf("tables after %s was forgotten (-never there +forgotten):\n%s", stream, diff)
			}
		}
	}
}

// testForgetTogether fails in the middle: then nothing is forgotten.
func testForgetTogether(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	fillFrom(t, m, verificationStream)
	want := dump(t, m.db, readModelTables...)
	stop := errors.New("stop")
	err := m.db.update(t.Context(), func(s statements) error { return errors.Join(forgetStream(t.Context(), s, verificationStream), stop) })
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, dump(t, m.db, readModelTables...)); diff != "" {
		t.Errorf("tables after the transaction failed (-want +got):\n%s", diff)
	}
}
