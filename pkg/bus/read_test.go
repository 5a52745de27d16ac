package bus

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"
)

// numbers is a stream of the tests with short subjects, of which messages may be deleted one by one. It may be read directly or not: the broker
// answers in different ways.
func numbers(t *testing.T, direct bool) (*Bus, jetstream.Stream) {
	t.Helper()
	b := connectTestBus(t, Config{Server: startTestServer(t, serverConfig(t.TempDir(), "off"))})
	stream, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "NUMBERS", Subjects: []string{"number.*"}, AllowAtomicPublish: true, AllowDirect: direct})
	if err != nil {
		t.Fatal(err)
	}
	return b, stream
}

func readAll(b *Bus, t *testing.T, filter string, from uint64) (seen []uint64, last uint64) {
	t.Helper()
	last, err := b.Read(t.Context(), "NUMBERS", filter, from, func(m Stored) error {
		if want := fmt.Sprintf("%d", m.Seq); string(m.Data) != want || m.Stream != "NUMBERS" || m.Time.IsZero() || m.Attempt != 0 {
			return fmt.Errorf("message %d is %+v", m.Seq, m)
		}
		seen = append(seen, m.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen, last
}

// Whatever was deleted, a read gives exactly what is left, in order, and ends.
func TestReadGivesWhatIsThere(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprintf("direct %v", direct), func(t *testing.T) { readGivesWhatIsThere(t, direct) })
	}
}

func readGivesWhatIsThere(t *testing.T, direct bool) {
	b, stream := numbers(t, direct)
	rapid.Check(t, func(rt *rapid.T) {
		if err := stream.Purge(t.Context()); err != nil {
			rt.Fatal(err)
		}
		state, err := b.StreamState(t.Context(), "NUMBERS")
		if err != nil {
			rt.Fatal(err)
		}
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"odd", "even", "deleted"}), 0, 40).Draw(rt, "kinds")
		from := state.LastSeq + uint64(rapid.IntRange(0, len(kinds)+2).Draw(rt, "from"))
		filter := rapid.SampledFrom([]string{"number.odd", "number.*", ">"}).Draw(rt, "filter")
		var want []uint64
		var deleted []uint64
		for i, kind := range kinds {
			seq := state.LastSeq + uint64(i) + 1
			subject := "number." + kind
			publish(t, b, subject, fmt.Sprint(seq), fmt.Sprint(seq))
			switch {
			case kind == "deleted":
				deleted = append(deleted, seq)
			case seq >= from && (filter != "number.odd" || kind == "odd"):
				want = append(want, seq)
			}
		}
		for _, seq := range deleted {
			if err := stream.DeleteMsg(t.Context(), seq); err != nil {
				rt.Fatal(err)
			}
		}
		got, last := readAll(b, t, filter, from)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("(-want +got)\n%s", diff)
		}
		if len(want) > 0 && last != want[len(want)-1] || len(want) == 0 && last != 0 {
			rt.Fatalf("last is %d after %v", last, want)
		}
	})
}

func TestReadGoesOnBeyondOneFetch(t *testing.T) {
	b, _ := numbers(t, false)
	const total = 3*scanBatch + 7
	messages := make([]Message, total)
	for i := range messages {
		messages[i] = Message{Subject: "number.one", Data: []byte(fmt.Sprint(i + 1))}
	}
	for batch := range slices.Chunk(messages, MaxBatch) {
		if _, err := b.PublishBatch(t.Context(), batch, Fence{}); err != nil {
			t.Fatal(err)
		}
	}
	got, last := readAll(b, t, "number.*", 0)
	if len(got) != total || last != total {
		t.Errorf("%d messages, the last %d; want %d", len(got), last, total)
	}
}

func TestReadEndsWithWhatWasThereAtItsStart(t *testing.T) {
	b, _ := numbers(t, false)
	publish(t, b, "number.one", "1", "1")
	publish(t, b, "number.one", "2", "2")
	count := 0
	last, err := b.Read(t.Context(), "NUMBERS", "number.*", 0, func(m Stored) error {
		count++
		publish(t, b, "number.one", fmt.Sprintf("more-%d", m.Seq), "more")
		return nil
	})
	if err != nil || count != 2 || last != 2 {
		t.Errorf("%d messages, the last %d, %v", count, last, err)
	}
}

func TestReadStopsAtTheReadersError(t *testing.T) {
	b, _ := numbers(t, false)
	for i := 1; i <= 3; i++ {
		publish(t, b, "number.one", fmt.Sprint(i), fmt.Sprint(i))
	}
	enough := errors.New("enough")
	last, err := b.Read(t.Context(), "NUMBERS", "number.*", 0, func(m Stored) error {
		if m.Seq == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || last != 1 {
		t.Errorf("last %d, error %v", last, err)
	}
}

func TestAReadLeavesNothingBehind(t *testing.T) {
	b, stream := numbers(t, false)
	publish(t, b, "number.one", "1", "1")
	readAll(b, t, "number.*", 0)
	info, err := stream.Info(t.Context())
	if err != nil || info.State.Consumers != 0 {
		t.Errorf("%d consumers are left, %v", info.State.Consumers, err)
	}
}

func TestGetAndLastSequence(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprintf("direct %v", direct), func(t *testing.T) { getAndLastSequence(t, direct) })
	}
}

func getAndLastSequence(t *testing.T, direct bool) {
	b, stream := numbers(t, direct)
	for _, name := range []string{"a", "b", "a"} {
		publish(t, b, "number."+name, "", name)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	last := publish(t, b, "number.b", "", "deleted").Seq
	if err := stream.DeleteMsg(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[uint64]error{1: ErrNotFound, 2: nil, 3: nil, 4: ErrNotFound} {
		got, err := b.Get(t.Context(), "NUMBERS", seq)
		if !errors.Is(err, want) || (err == nil && (got.Seq != seq || got.Stream != "NUMBERS")) {
			t.Errorf("get %d: %+v, %v", seq, got, err)
		}
	}
	for filter, want := range map[string]uint64{"number.a": 3, "number.b": 2, "number.c": 0, "number.*": 3} {
		if got, err := b.LastSequence(t.Context(), "NUMBERS", filter); err != nil || got != want {
			t.Errorf("last of %s: %d, %v; want %d", filter, got, err, want)
		}
	}
}

func TestReadingAMissingStreamIsUnavailable(t *testing.T) {
	b, _ := numbers(t, false)
	_, readErr := b.Read(t.Context(), "MISSING", ">", 0, func(Stored) error { return nil })
	_, getErr := b.Get(t.Context(), "MISSING", 1)
	_, lastErr := b.LastSequence(t.Context(), "MISSING", ">")
	_, stateErr := b.StreamState(t.Context(), "MISSING")
	for _, err := range []error{readErr, getErr, lastErr, stateErr} {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("error: %v", err)
		}
	}
}
