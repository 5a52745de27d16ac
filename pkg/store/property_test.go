package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// fact is something that the read model is told.
type fact func(ctx context.Context, m *ReadModel) error

// facts draws facts that agree with each other, as those of the streams do: about few verifications and deliveries, so
// that many are about the same.
func facts(t *rapid.T) []fact {
	small := rapid.IntRange(1, 4)
	word := rapid.SampledFrom([]string{"", "x", "y"})
	made := map[string]bool{}
	var all []fact
	for range rapid.IntRange(1, 15).Draw(t, "facts") {
		verificationOf, version := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "verification"), small.Draw(t, "version")
		seq := uint64(small.Draw(t, "delivery"))
		at := start.Add(time.Duration(small.Draw(t, "time")) * time.Second)
		switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); kind {
		case 0:
			e := testEventRow(verificationOf, version, uint64(version), seq)
			e.Data.CausationID, e.Data.Overdue = testDeliveryOf(seq).EventID, rapid.Bool().Draw(t, "overdue")
			e.Data.AnonymizedThrough = uint64(rapid.IntRange(0, 3).Draw(t, "through"))
			e.Data.Signal.Anomalies = []string{word.Draw(t, "anomaly")}
			e.Data.Signal.Unknown = []string{word.Draw(t, "field")}
			// One version has one event.
			if name := fmt.Sprint("event ", verificationOf, version); !made[name] {
				made[name] = true
				all = append(all, func(ctx context.Context, m *ReadModel) error { return m.PutEvent(ctx, e) })
			}
		case 1:
			d := testDeliveryOf(seq)
			d.Verifications = []string{word.Draw(t, "about")}
			all = append(all, func(ctx context.Context, m *ReadModel) error { return m.PutDelivery(ctx, d) })
		case 2:
			o := Outcome{
				Stream: webhookStream, Sequence: seq, EventID: testDeliveryOf(seq).EventID,
				Outcome: rapid.SampledFrom(Outcomes).Draw(t, "outcome"), Cause: word.Draw(t, "cause"), At: at,
				Verifications: []string{word.Draw(t, "about")}, Anomalies: []string{word.Draw(t, "anomaly")},
			}
			all = append(all, func(ctx context.Context, m *ReadModel) error { return m.PutOutcome(ctx, o) })
		case 3:
			p := Progress{Stream: "S", Sequence: seq, Pending: seq, At: at}
			all = append(all, func(ctx context.Context, m *ReadModel) error { return m.PutProgress(ctx, p) })
		case 4:
			all = append(all, laterClaims(testID(verificationOf).String(), seq, at))
		}
	}
	return all
}

// laterClaims writes claims unless there are some of a signal that is later by the provider's time.
func laterClaims(id string, seq uint64, at time.Time) fact {
	s := verification.Signal{ID: fmt.Sprint("s", seq, at.Unix()), Seq: seq, At: at}
	next := ClaimsRow{Signal: s, Key: []byte("key of " + s.ID), Sealed: []byte("claims of " + s.ID)}
	return func(ctx context.Context, m *ReadModel) error {
		return m.UpdateClaims(ctx, id, false, func(current ClaimsRow) (*ClaimsRow, error) {
			was := current.Signal
			if was.At.After(s.At) || was.At.Equal(s.At) && was.ID >= s.ID {
				return nil, nil
			}
			return &next, nil
		})
	}
}

// emptied empties the tables.
func emptied(t fataler, m *ReadModel) {
	t.Helper()
	for _, table := range readModelTables {
		if _, err := m.db.write().exec(context.Background(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
}

// testAnyOrder tells facts once, and then in another order with some of them several times.
func testAnyOrder(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	rapid.Check(t, func(t *rapid.T) {
		told := facts(t)
		tell := func(told []fact) []string {
			emptied(t, m)
			for _, f := range told {
				if err := f(context.Background(), m); err != nil {
					t.Fatal(err)
				}
			}
			return dump(t, m.db, readModelTables...)
		}
		want := tell(told)
		repeated := rapid.SliceOfN(rapid.SampledFrom(told), 0, 6).Draw(t, "repeated")
		shuffled := rapid.Permutation(append(repeated, told...)).Draw(t, "shuffled")
		if diff := cmp.Diff(want, tell(shuffled)); diff != "" {
			t.Fatalf("tables (-in order +shuffled):\n%s", diff)
		}
	})
}

// bulk draws facts that agree with each other, many of them about the same verifications and deliveries.
func bulk(t *rapid.T) (b Bulk) {
	word := rapid.SampledFrom([]string{"", "x", "y"})
	drawn := func(most int) int { return rapid.IntRange(1, most).Draw(t, "number") }
	most := rapid.SampledFrom([]int{2, 20, 80}).Draw(t, "most")
	versions := map[string]bool{}
	for range rapid.IntRange(0, 2*most).Draw(t, "events") {
		reference, version := fmt.Sprint("v", drawn(most)), drawn(3)
		e := testEventRow(reference, version, uint64(drawn(1000)), uint64(drawn(most)))
		e.Sandbox = rapid.Bool().Draw(t, "sandbox")
		e.Data.CausationID, e.Data.Overdue, e.CauseGone = testDeliveryOf(1).EventID, rapid.Bool().Draw(t, "overdue"), rapid.Bool().Draw(t, "gone")
		e.Data.AnonymizedThrough = uint64(rapid.IntRange(0, 3).Draw(t, "through"))
		e.Data.Signal.Anomalies, e.Data.Signal.Unknown = []string{word.Draw(t, "anomaly")}, []string{word.Draw(t, "field")}
		// One version has one event.
		if name := fmt.Sprint(reference, version, e.Sandbox); !versions[name] {
			versions[name] = true
			b.Events = append(b.Events, e)
		}
	}
	for range rapid.IntRange(0, 2*most).Draw(t, "deliveries") {
		d := testDeliveryOf(uint64(drawn(most)))
		if outcome := rapid.SampledFrom(append([]string{""}, Outcomes...)).Draw(t, "outcome"); outcome != "" {
			d.Outcome, d.OutcomeAt, d.Cause = outcome, start.Add(time.Duration(drawn(3))*time.Second), word.Draw(t, "cause")
			d.Verifications, d.Anomalies = []string{word.Draw(t, "about")}, []string{word.Draw(t, "anomaly")}
		}
		if rapid.Bool().Draw(t, "only how it ended") {
			d.ReceivedAt, d.Event, d.Traceparent = time.Time{}, "", ""
		}
		b.Deliveries = append(b.Deliveries, d)
	}
	// One verification has one row of claims, and its events may say that they are gone.
	for i := range rapid.IntRange(0, most).Draw(t, "claims") {
		key := VerificationKey{testID(fmt.Sprint("v", i+1)).String(), rapid.Bool().Draw(t, "sandbox")}
		b.Claims = append(b.Claims, Claims{key, *claimsOf(uint64(drawn(4)))})
	}
	return b
}

// testBulkInAnyOrder writes facts one by one, and then in batches, shuffled and some of them several times.
func testBulkInAnyOrder(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	rapid.Check(t, func(t *rapid.T) {
		all := bulk(t)
		emptied(t, m)
		var one []Bulk
		for i := range all.Events {
			one = append(one, Bulk{Events: all.Events[i : i+1]})
			if err := m.PutEvent(context.Background(), all.Events[i]); err != nil {
				t.Fatal(err)
			}
		}
		for i, d := range all.Deliveries {
			one = append(one, Bulk{Deliveries: all.Deliveries[i : i+1]})
			if err := m.PutDelivery(context.Background(), d); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range all.Claims {
			one = append(one, Bulk{Claims: all.Claims[i : i+1]})
			err := m.UpdateClaims(context.Background(), c.ID, c.Sandbox, func(ClaimsRow) (*ClaimsRow, error) { return &c.Row, nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		want := dump(t, m.db, readModelTables...)
		if len(one) == 0 {
			return
		}
		emptied(t, m)
		repeated := rapid.SliceOfN(rapid.SampledFrom(one), 0, 40).Draw(t, "repeated")
		for told := rapid.Permutation(append(repeated, one...)).Draw(t, "told"); len(told) > 0; {
			n := rapid.IntRange(1, len(told)).Draw(t, "together")
			var together Bulk
			for _, b := range told[:n] {
				together.Events = append(together.Events, b.Events...)
				together.Deliveries = append(together.Deliveries, b.Deliveries...)
				together.Claims = append(together.Claims, b.Claims...)
			}
			told = told[n:]
			if err := m.PutBulk(context.Background(), together); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, dump(t, m.db, readModelTables...)); diff != "" {
			t.Fatalf("tables (-one by one +in batches):\n%s", diff)
		}
	})
}

// testConcurrentWriters adds to one delivery and counts in one row of claims: a lost update is a name or a number missing.
func testConcurrentWriters(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	const goroutines, each = 4, 20
	id := testID("a").String()
	var want []string
	var group sync.WaitGroup
	for g := range goroutines {
		for i := range each {
			want = append(want, fmt.Sprintf("v%02d-%02d", g, i))
		}
		names := want[len(want)-each:]
		group.Go(func() {
			for _, name := range names {
				d := testDeliveryOf(1)
				d.Verifications = []string{name}
				check(t, m.PutDelivery(t.Context(), d))
				check(t, m.UpdateClaims(t.Context(), id, false, func(current ClaimsRow) (*ClaimsRow, error) {
					return claimsOf(current.Signal.Seq + 1), nil
				}))
			}
		})
	}
	group.Wait()
	if diff := cmp.Diff(want, deliveries(t, m)[0].Verifications); diff != "" {
		t.Errorf("verifications of the delivery (-want +got):\n%s", diff)
	}
	if got := readBack(t, m, id).Signal.Seq; got != goroutines*each {
		t.Errorf("%d updates counted %d", goroutines*each, got)
	}
}
