package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func testDeliveryOf(seq uint64) Delivery {
	return Delivery{
		Stream: webhookStream, Sequence: seq, EventID: "yousign:d1:0123", Provider: testProvider, Event: "done",
		ReceivedAt: start.Add(time.Duration(seq) * time.Second), Verifications: []string{}, Anomalies: []string{}, Traceparent: "00-aa-bb-01",
	}
}

// deliveries returns all deliveries.
func deliveries(t *testing.T, m *ReadModel) []Delivery {
	t.Helper()
	page, err := m.Deliveries(t.Context(), DeliveryFilter{Limit: 1000})
	must(t, err)
	return page.Rows
}

func testDelivery(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	d := testDeliveryOf(5)
	d.ReceivedAt = stored(d.ReceivedAt)
	applied := func(reference string, version int) EventRow {
		e := testEventRow(reference, version, uint64(version), 5)
		e.Data.CausationID = d.EventID
		e.Data.Signal.Anomalies = []string{"clock_ahead"}
		return e
	}

	put(t, m, applied("b", 1))
	early := Delivery{
		Stream: d.Stream, Sequence: d.Sequence, EventID: d.EventID, Provider: d.Provider,
		Outcome: OutcomeApplied, OutcomeAt: stored(applied("b", 1).StoredAt),
		Verifications: []string{testID("b").String()}, Anomalies: []string{"clock_ahead"},
	}
	if diff := cmp.Diff([]Delivery{early}, deliveries(t, m)); diff != "" {
		t.Errorf("delivery before its receipt is known (-want +got):\n%s", diff)
	}
	must(t, m.PutDelivery(t.Context(), d))
	put(t, m, applied("a", 1), applied("a", 2), applied("b", 1))
	must(t, m.PutDelivery(t.Context(), d))

	d.Outcome, d.OutcomeAt = OutcomeApplied, stored(applied("a", 1).StoredAt)
	d.Verifications, d.Anomalies = []string{testID("a").String(), testID("b").String()}, []string{"clock_ahead"}
	if diff := cmp.Diff([]Delivery{d}, deliveries(t, m)); diff != "" {
		t.Errorf("delivery (-want +got):\n%s", diff)
	}

	made, former := testEventRow("c", 1, 9, 0), testEventRow("d", 1, 10, 6)
	former.CauseGone = true
	before := dump(t, m.db, "delivery")
	put(t, m, made, former)
	if diff := cmp.Diff(before, dump(t, m.db, "delivery")); diff != "" {
		t.Errorf("deliveries after the events of a made signal and of a former stream (-want +got):\n%s", diff)
	}
}

func testOutcomePrecedence(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	outcome := func(seq uint64, name, cause string, at time.Time) Outcome {
		return Outcome{Stream: webhookStream, Sequence: seq, Provider: testProvider, Outcome: name, Cause: cause, At: at}
	}
	seq := uint64(0)
	for i, first := range Outcomes {
		for j, second := range Outcomes {
			seq++
			must(t, m.PutDelivery(t.Context(), testDeliveryOf(seq)))
			must(t, m.PutOutcome(t.Context(), outcome(seq, first, "first", start)))
			must(t, m.PutOutcome(t.Context(), outcome(seq, second, "second", start.Add(time.Hour))))
			want, cause := first, "first"
			if j > i || j == i && second == OutcomeDead {
				want, cause = second, "second"
			}
			all := deliveries(t, m)
			if got := all[len(all)-1]; got.Outcome != want || got.Cause != cause {
				t.Errorf("%s then %s is %s for %s, want %s for %s", first, second, got.Outcome, got.Cause, want, cause)
			}
		}
	}

	if err := m.PutOutcome(t.Context(), outcome(1, "lost", "", start)); !errors.Is(err, errUnknownOutcome) {
		t.Errorf("an unknown outcome: error %v", err)
	}
}

func testExpireUnprocessed(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	for seq := range uint64(5) {
		must(t, m.PutDelivery(t.Context(), testDeliveryOf(seq)))
	}
	foreign := testDeliveryOf(5)
	foreign.Provider = "idenfy"
	foreign.ReceivedAt = start
	must(t, m.PutDelivery(t.Context(), foreign))
	held := testDeliveryOf(0)
	held.Stream = "KYC_HELD"
	must(t, m.PutDelivery(t.Context(), held))
	must(t, m.PutOutcome(t.Context(), Outcome{Stream: webhookStream, Sequence: 1, Outcome: OutcomeDead, Cause: "undecodable", At: start}))

	for i, want := range []int{2, 0} { // the second time there is nothing left to do
		n, err := m.ExpireUnprocessed(t.Context(), testProvider, start.Add(3*time.Second), start.Add(time.Hour))
		must(t, err)
		if n != want {
			t.Errorf("call %d expired %d, want %d", i+1, n, want)
		}
	}
	outcomes := func() map[uint64]string {
		got := map[uint64]string{}
		for _, d := range deliveries(t, m) {
			if d.Stream == webhookStream {
				got[d.Sequence] = d.Outcome
			}
		}
		return got
	}
	want := map[uint64]string{0: OutcomeExpired, 1: OutcomeDead, 2: OutcomeExpired, 3: "", 4: "", 5: ""}
	if diff := cmp.Diff(want, outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}

	must(t, m.PutOutcome(t.Context(), Outcome{Stream: webhookStream, Sequence: 0, Outcome: OutcomeApplied, At: start.Add(2 * time.Hour)}))
	if got := outcomes()[0]; got != OutcomeApplied {
		t.Errorf("what was applied after all is %s", got)
	}
}

func testListDeliveries(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	for seq, d := range []struct{ provider, outcome, cause string }{
		{"yousign", OutcomeApplied, ""},
		{"yousign", "", ""},
		{"idenfy", OutcomeDead, "undecodable"},
		{"idenfy", "", ""},
		{"yousign", OutcomeDead, "too_many_signals"},
	} {
		delivery := testDeliveryOf(uint64(seq))
		delivery.Provider, delivery.Outcome, delivery.Cause = d.provider, d.outcome, d.cause
		must(t, m.PutDelivery(t.Context(), delivery))
	}
	for _, test := range []struct {
		name   string
		filter DeliveryFilter
		want   []uint64
	}{
		{"all", DeliveryFilter{}, []uint64{0, 1, 2, 3, 4}},
		{"provider", DeliveryFilter{Provider: "idenfy"}, []uint64{2, 3}},
		{"outcome", DeliveryFilter{Outcome: OutcomeDead}, []uint64{2, 4}},
		{"pending", DeliveryFilter{Outcome: OutcomePending}, []uint64{1, 3}},
		{"cause", DeliveryFilter{Cause: "undecodable"}, []uint64{2}},
		{"since", DeliveryFilter{Since: start.Add(3 * time.Second)}, []uint64{3, 4}},
		{"several", DeliveryFilter{Provider: "yousign", Outcome: OutcomeDead, Since: start}, []uint64{4}},
		{"nobody's", DeliveryFilter{Provider: "nul \x00"}, nil},
	} {
		test.filter.Limit = 10
		page, err := m.Deliveries(t.Context(), test.filter)
		must(t, err)
		var got []uint64
		for _, d := range page.Rows {
			got = append(got, d.Sequence)
		}
		if diff := cmp.Diff(test.want, got); diff != "" || !page.Next.IsZero() {
			t.Errorf("%s: next %q (-want +got):\n%s", test.name, page.Next, diff)
		}
	}
	if _, err := m.Deliveries(t.Context(), DeliveryFilter{}); !errors.Is(err, errLimit) {
		t.Errorf("without a limit: error %v", err)
	}
}

// testOutcomeOnlyListed has deliveries whose messages were gone before they were read: they stand where their outcome came, until their
// receipt is known.
func testOutcomeOnlyListed(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	for seq := range uint64(4) {
		must(t, m.PutDelivery(t.Context(), testDeliveryOf(2*seq))) // received at second 0, 2, 4 and 6
	}
	outcome := func(seq uint64, at time.Time) {
		o := Outcome{Stream: webhookStream, Sequence: seq, Provider: testProvider, Outcome: OutcomeDead, Cause: "undecodable", At: at}
		must(t, m.PutOutcome(t.Context(), o))
	}
	outcome(5, start.Add(3*time.Second))
	outcome(7, start.Add(5*time.Second))
	outcome(9, time.Time{}) // nothing at all is known of its time
	list := func(f DeliveryFilter) []uint64 {
		t.Helper()
		var got []uint64
		for f.Limit = 2; ; {
			page, err := m.Deliveries(t.Context(), f)
			must(t, err)
			for _, d := range page.Rows {
				got = append(got, d.Sequence)
				if d.Outcome == OutcomeDead && !d.ReceivedAt.IsZero() {
					t.Errorf("delivery %d was received at %v", d.Sequence, d.ReceivedAt)
				}
			}
			if f.After = page.Next; f.After.IsZero() {
				return got
			}
		}
	}
	for _, test := range []struct {
		name   string
		filter DeliveryFilter
		want   []uint64
	}{
		{"all", DeliveryFilter{}, []uint64{9, 0, 2, 5, 4, 7, 6}},
		{"since", DeliveryFilter{Since: start.Add(4 * time.Second)}, []uint64{4, 7, 6}},
		{"provider", DeliveryFilter{Provider: testProvider}, []uint64{9, 0, 2, 5, 4, 7, 6}},
		{"outcome", DeliveryFilter{Outcome: OutcomeDead}, []uint64{9, 5, 7}},
		{"cause", DeliveryFilter{Cause: "undecodable"}, []uint64{9, 5, 7}},
	} {
		if diff := cmp.Diff(test.want, list(test.filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	st, err := m.Stats(t.Context())
	must(t, err)
	if diff := cmp.Diff([]DeliveryCount{{testProvider, OutcomePending, 4}, {testProvider, OutcomeDead, 3}}, st.Deliveries); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}

	received := testDeliveryOf(7)
	received.ReceivedAt = start.Add(time.Second)
	must(t, m.PutDelivery(t.Context(), received))
	page, err := m.Deliveries(t.Context(), DeliveryFilter{Limit: 3})
	must(t, err)
	if got := page.Rows[2].Sequence; got != 7 {
		t.Errorf("the place of a delivery whose receipt came later has %d", got)
	}
}

func testDeliveryPages(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	var want []string
	for _, stream := range []string{"KYC_HELD", "KYC_REJECTED", webhookStream} {
		for seq := range uint64(3) {
			d := testDeliveryOf(seq)
			d.Stream, d.ReceivedAt = stream, start // all at one time
			must(t, m.PutDelivery(t.Context(), d))
			want = append(want, stream+string(rune('0'+seq)))
		}
	}
	var got []string
	filter := DeliveryFilter{Limit: 2}
	for {
		page, err := m.Deliveries(t.Context(), filter)
		must(t, err)
		for _, d := range page.Rows {
			got = append(got, d.Stream+string(rune('0'+d.Sequence)))
		}
		if page.Next.IsZero() {
			break
		}
		filter.After, err = ParseDeliveryCursor(page.Next.String())
		must(t, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all pages (-want +got):\n%s", diff)
	}
}

func testPruneRefusals(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	put := func(stream string, seq uint64, received time.Time) {
		d := testDeliveryOf(seq)
		d.Stream, d.ReceivedAt = stream, received
		must(t, m.PutDelivery(t.Context(), d))
	}
	for seq := range uint64(6) {
		put(rejectedStream, seq, start.Add(time.Duration(seq)*time.Hour))
		put(webhookStream, seq, start)
	}
	for _, step := range []struct {
		before time.Time
		keep   int
		want   int
	}{
		{start, 10, 12},
		{start.Add(2 * time.Hour), 10, 10},
		{start, 3, 9},
		{start.Add(24 * time.Hour), 10, 6},
	} {
		must(t, m.PruneRefusals(t.Context(), step.before, step.keep))
		page, err := m.Deliveries(t.Context(), DeliveryFilter{Limit: 100})
		must(t, err)
		if len(page.Rows) != step.want {
			t.Errorf("%d deliveries are left, want %d", len(page.Rows), step.want)
		}
	}
}

func TestDeliveryCursor(t *testing.T) {
	for _, c := range []DeliveryCursor{{}, {listed: 1, stream: "KYC_HELD", sequence: 2}} {
		got, err := ParseDeliveryCursor(c.String())
		if err != nil || got != c {
			t.Errorf("cursor %+v came back as %+v, error %v", c, got, err)
		}
	}
	beyond := DeliveryCursor{listed: 1, stream: "s", sequence: 1 << 63}
	nul := DeliveryCursor{listed: 1, stream: "s\x00", sequence: 1}
	for _, text := range []string{"%", "aGVsbG8", "e30x", beyond.String(), nul.String()} {
		if c, err := ParseDeliveryCursor(text); !errors.Is(err, errCursor) {
			t.Errorf("text %q is the cursor %+v, error %v", text, c, err)
		}
	}
}
