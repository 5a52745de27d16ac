package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// newBus returns a connection to a broker of its own, with all streams.
func newBus(t testing.TB) *bus.Bus {
	t.Helper()
	return bustest.Open(t, bustest.Settings(24*time.Hour))
}

func newDesk(b *bus.Bus) *Desk {
	return &Desk{Bus: b, Via: ViaCLI, Actor: "anna@host", Holder: "anna@host:1"}
}

// sample is the event with a number: of one of ten verifications, of which every fifth is a step of acme.
func sample(n int) (subject string, v event.Verification, published string) {
	reference := fmt.Sprintf("ref %d", n%10)
	provider, kind, scope := "idenfy", "id_verification", verification.Case
	if n%5 == 0 {
		provider, kind, scope = "acme", "liveness", verification.Step
	}
	id := verification.NewID(provider, kind, reference)
	published = []string{"awaiting_review", "approved", "noted"}[n%3]
	status := verification.Status(published)
	if published == "noted" {
		status = verification.Approved
	}
	at := time.Date(2026, 3, 1, 12, 0, n%60, 0, time.UTC)
	v = event.Verification{
		ID: id.String(), Provider: provider, Kind: kind, Scope: scope, Reference: id.Reference,
		Applicant: new(fmt.Sprintf("client-%d", n%7)), ExternalReference: new("order/7"), Status: status, Final: status.Final(),
		Reasons: []verification.Reason{{Code: "DOC_EXPIRED", Category: verification.CategoryDocument, Source: "denyReasons"}},
		Attempt: 1, Version: n/10 + 1, Anomalies: []string{}, OccurredAt: at, ReceivedAt: at.Add(time.Second),
		CausationID: fmt.Sprintf("%s:%016x", provider, n), CausationSequence: uint64(n + 1),
		Signal: verification.Signal{
			ID: fmt.Sprintf("%064d#0", n), Says: "approved", Event: "id_verification_manual_finish", Decoder: 1, Seq: uint64(n + 1),
			At: at, ReceivedAt: at.Add(time.Second), Applicant: fmt.Sprintf("client-%d", n%7),
		},
	}
	return event.VerificationSubject(false, provider, kind, published), v, published
}

const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// publish stores the events with the numbers from first on, and returns the position of the last.
func publish(t testing.TB, b *bus.Bus, first, count int) uint64 {
	t.Helper()
	var batch []bus.Message
	var last uint64
	flush := func() {
		seq, err := b.PublishBatch(t.Context(), batch, bus.Fence{})
		if err != nil {
			t.Fatal(err)
		}
		last, batch = seq, batch[:0]
	}
	for n := first; n < first+count; n++ {
		subject, v, published := sample(n)
		header, data, err := v.Encode("test", published, trace)
		if err != nil {
			t.Fatal(err)
		}
		if batch = append(batch, bus.Message{Subject: subject, Header: header, Data: data}); len(batch) == bus.MaxBatch {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
	return last
}

// begin plans and creates a run.
func begin(t testing.TB, d *Desk, name string, r Request) Plan {
	t.Helper()
	plan, err := d.Plan(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(t.Context(), name, plan); err != nil {
		t.Fatal(err)
	}
	return plan
}

// runWhole begins a run and works on it until it is done.
func runWhole(t testing.TB, d *Desk, name string, r Request) Plan {
	t.Helper()
	plan := begin(t, d, name, r)
	if err := d.Work(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	run, err := d.Get(t.Context(), name)
	if err != nil || run.State != "done" || run.Done != plan.Events || run.Total != plan.Events || run.Position != plan.Spec.Through {
		t.Fatalf("the run is %+v, %v; planned %d", run, err, plan.Events)
	}
	return plan
}

// lineOf is what a line of a file says.
type lineOf struct {
	ID, Source, Type, Subject, Time, Dataschema, Traceparent, Causationid, Replay string
	Data                                                                          json.RawMessage
}

func readLines(t testing.TB, path string) []lineOf {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var lines []lineOf
	for decoder := json.NewDecoder(file); ; {
		var line lineOf
		err := decoder.Decode(&line)
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatalf("line %d: %v", len(lines)+1, err)
		}
		lines = append(lines, line)
	}
}

// stored are all messages of a stream.
func stored(t testing.TB, b *bus.Bus, stream string) []bus.Stored {
	t.Helper()
	var list []bus.Stored
	if _, err := b.Scan(context.Background(), bus.Span{Stream: stream}, func(m bus.Stored) error {
		list = append(list, m)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}
