package providertest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

var scenarioName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

const (
	storySeeds    = 8   // stories made of each scenario
	storyShuffles = 5   // orders of arrival tried for each
	leastBody     = 200 // bytes
)

var storyNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// scenarios checks that every scenario comes to what it says, whatever way its deliveries
// come, and that the scenarios together show every event.
func (s *suite) scenarios(t *testing.T) {
	if len(s.Scenarios) == 0 {
		t.Error("there are no scenarios")
	}
	if s.Retries.Timeout <= 0 || s.Retries.LaterTimeout <= 0 {
		t.Error("the provider would wait for ever for an answer")
	}
	names, shown, told := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, scenario := range s.Scenarios {
		if !scenarioName.MatchString(scenario.Name) || names[scenario.Name] {
			t.Errorf("scenario %q has no name of its own in kebab case", scenario.Name)
		}
		names[scenario.Name] = true
		t.Run(scenario.Name, func(t *testing.T) {
			for seed := range uint64(storySeeds) {
				s.scenario(t, scenario, seed, shown, told)
			}
		})
	}
	for _, e := range s.Events {
		if !e.Unhandled && !shown[e.Name] {
			t.Errorf("no scenario shows the event %q", e.Name)
		}
	}
}

// scenario checks one story. It notes the events that it shows, and the verifications that
// it tells of, which must be of no other story.
func (s *suite) scenario(t *testing.T, scenario provider.Scenario, seed uint64, shown, told map[string]bool) {
	// Sources of neighbouring seeds have nothing in common; the name keeps those of the
	// scenarios apart.
	source := func() *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(len(told)))) }
	random := source()
	story := scenario.Make(random, storyNow)
	if diff := cmp.Diff(story, scenario.Make(source(), storyNow)); diff != "" {
		t.Fatalf("made again the story is another one (-first +again):\n%s", diff)
	}
	if n := len(story.Deliveries); n == 0 || n > provider.MaxDeliveries {
		t.Fatalf("the story has %d deliveries", n)
	}
	for _, want := range story.Want {
		name := fmt.Sprint(want.Kind, "/", want.Reference, want.Sandbox)
		if told[name] {
			t.Errorf("%s is in two stories", name)
		}
		told[name] = true
	}
	for _, d := range story.Deliveries {
		shown[d.Event] = shown[d.Event] || d.Family == provider.FamilyVerification
		if len(d.Body) < leastBody {
			t.Errorf("a body of %s has %d bytes: no documented one is that small", d.Event, len(d.Body))
		}
	}
	s.comesTo(t, story, story.Deliveries)
	for range storyShuffles {
		again := slices.Clone(story.Deliveries)
		if !story.Ordered {
			random.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		}
		for range random.IntN(len(again) + 1) {
			at := 1 + random.IntN(len(again))
			again = slices.Insert(again, at, again[random.IntN(at)])
		}
		s.comesTo(t, story, again)
	}
}

// comesTo processes the deliveries in the given order, copies as well, and compares.
func (s *suite) comesTo(t *testing.T, story provider.Story, deliveries []provider.Posted) {
	t.Helper()
	records := map[string]*verification.Record{}
	owners := map[string]string{}
	for i, d := range deliveries {
		signed, err := s.Post(d, secret)
		if err != nil {
			t.Fatalf("sign %s: %v", d.Event, err)
		}
		receipt, err := s.Verify(request(signed, secret))
		if err != nil || receipt.Event != s.Token(d.Event) || receipt.Family != d.Family {
			t.Fatalf("a webhook of %s and family %d was received as %s and family %d: %v", d.Event, d.Family, receipt.Event, receipt.Family, err)
		}
		if bytes.Contains(signed.Body, []byte(secret)) {
			t.Fatalf("a webhook of %s holds the secret", d.Event)
		}
		if d.Family != provider.FamilyVerification {
			continue // It is ignored or held, and nothing comes of it.
		}
		decoded, err := s.Decode(provider.Delivery{Event: receipt.Event, Body: signed.Body})
		if errors.Is(err, provider.ErrUnhandled) {
			continue
		}
		if err != nil {
			t.Fatalf("decode %s: %v", d.Event, err)
		}
		for _, e := range decoded.Elements {
			s.apply(t, records, owners, e, uint64(i+1))
		}
	}
	var got []provider.Expectation
	for _, r := range records {
		got = append(got, provider.Expectation{
			Kind: r.ID.Kind, Reference: r.ID.Reference, Sandbox: r.Sandbox, Status: r.State.Status, By: r.State.By,
			Attempt: r.State.Attempt, Anomalies: r.State.Anomalies, Signals: len(r.Signals),
		})
	}
	want := slices.Clone(story.Want)
	for i := range want {
		want[i].Reference = verification.EncodeReference(want[i].Reference)
	}
	byName := cmpopts.SortSlices(func(a, b provider.Expectation) bool { return a.Kind+a.Reference < b.Kind+b.Reference })
	if diff := cmp.Diff(want, got, byName, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the story comes to something else (-want +got):\n%s", diff)
	}
}

// apply merges one signal into the record of its verification.
func (s *suite) apply(t *testing.T, records map[string]*verification.Record, owners map[string]string, e provider.Element, seq uint64) {
	t.Helper()
	kind, ok := s.Kind(e.Kind)
	if !ok {
		t.Fatalf("there is no kind %s", e.Kind)
	}
	signal := e.Signal
	if len(e.Unknown) > 0 || signal.At.After(storyNow) {
		t.Errorf("%s at %v, with unknown %v", signal.Event, signal.At, e.Unknown)
	}
	if err := kind.Fill(&signal); err != nil {
		t.Fatal(err)
	}
	signal.Received(seq, storyNow, fmt.Sprint("delivery-", seq))
	id := verification.NewID(s.Name, e.Kind, e.Reference)
	if owner := owners[signal.ID]; owner != "" && owner != id.String() {
		t.Errorf("one payload tells of %s and %s", owner, id)
	}
	owners[signal.ID] = id.String()
	key := fmt.Sprint(id, signal.Sandbox)
	if records[key] == nil {
		records[key] = &verification.Record{ID: id, Sandbox: signal.Sandbox}
	}
	if _, err := kind.Apply(records[key], signal); err != nil {
		t.Fatal(err)
	}
}
