package doctor

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/archive"
	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/spool"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// lived is a world in which deliveries have come to every outcome.
func lived(t *testing.T) *world {
	w := newWorld(t)
	for n := range 5 {
		w.approved(n)
	}
	w.approved(1)                                 // repeat
	w.deliver("idenfy", "other", "{}")            // unhandled
	w.deliver("kycaid", "undecodable", "no JSON") // dead
	w.settle()
	return w
}

func TestWell(t *testing.T) {
	w := lived(t)
	w.mustFindNothing()
	// What waits is no finding.
	w.approved(6)
	w.mustFindNothing()
	report, err := Run(t.Context(), w.config())
	w.must(err)
	if notes := report.Checks[3].Notes; len(notes) != 1 || !strings.Contains(notes[0], "1 of idenfy wait") {
		t.Errorf("notes %q", notes)
	}
}

func TestUnknownCheck(t *testing.T) {
	if _, err := Run(t.Context(), Config{Only: []string{"everything"}}); !errors.Is(err, ErrCheck) {
		t.Errorf("got %v, want %v", err, ErrCheck)
	}
}

// What is under way is no finding.
func TestWellInUse(t *testing.T) {
	w := lived(t)
	w.run()
	ctx, cancel := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	sender.Go(func() {
		for n := 10; ctx.Err() == nil; n++ {
			w.approved(n % 40)
			if n%5 == 0 {
				w.deliver("idenfy", "other", fmt.Sprint(n))
			}
		}
	})
	for range 8 {
		w.mustFindNothing()
	}
	cancel()
	sender.Wait()
}

// republish publishes the last event with another version.
func (w *world) republish(change func(*event.Verification)) {
	w.t.Helper()
	state, err := w.bus.StreamState(w.t.Context(), bus.Verifications)
	w.must(err)
	m, err := w.bus.Get(w.t.Context(), bus.Verifications, state.LastSeq)
	w.must(err)
	data, _, err := decode(m)
	w.must(err)
	change(&data)
	header, body, err := data.Encode("default", string(data.Status), "")
	w.must(err)
	header[bus.MessageIDHeader] = []string{fmt.Sprint("again ", state.LastSeq)}
	_, err = w.bus.Publish(w.t.Context(), bus.Message{Subject: m.Subject, Header: header, Data: body})
	w.must(err)
}

func TestVersions(t *testing.T) {
	w := lived(t)
	w.republish(func(*event.Verification) {})
	w.mustFind("has version 1 again at 6 of KYC_VERIFICATIONS", Versions)
	w.republish(func(v *event.Verification) { v.Version = 7 })
	w.mustFind("has version 7 behind version 1", Versions)
	w.republish(func(v *event.Verification) { v.Version, v.Final = 8, false })
	w.mustFind("after a final status", Versions)
}

// What the stream of events has lost at its beginning is missed, unless it is in an archive that has all of it.
func TestTrimmed(t *testing.T) {
	w := lived(t)
	identity, err := w.bus.StreamIdentity(t.Context(), bus.Verifications)
	w.must(err)
	write := func(identity string, first, through uint64) {
		dir := filepath.Join(w.dir, "archive")
		w.must(os.RemoveAll(dir))
		a, err := archive.OpenOrCreate(dir, bus.Verifications, identity, "default", first)
		w.must(err)
		w.must(a.Extend(t.Context(), through, func(ctx context.Context, from uint64, fn func(bus.Stored) error) error {
			_, err := w.bus.Read(ctx, bus.Verifications, ">", from, fn)
			return err
		}, func(uint64) {}))
		w.must(a.Close())
	}
	write(identity, 1, 3)
	whole := filepath.Join(w.dir, "whole")
	w.must(archive.Copy(filepath.Join(w.dir, "archive"), whole))
	w.must(w.bus.Trim(t.Context(), bus.Verifications, 2))
	w.mustFindNothing()
	write(identity, 3, 3)
	w.mustFind("the archive in "+filepath.Join(w.dir, "archive")+" begins at 3", Versions)
	write("another", 3, 3)
	w.mustFind("is of another stream, made at another", Versions)
	w.must(os.RemoveAll(filepath.Join(w.dir, "archive")))
	w.mustFind("the stream begins at 3 and there is no archive", Versions)
	w.must(archive.Copy(whole, filepath.Join(w.dir, "archive")))
	w.mustFindNothing()
}

func TestDeliveries(t *testing.T) {
	w := lived(t)
	w.must(w.bus.DropStream(t.Context(), bus.Outcomes))
	w.must(w.bus.DropStream(t.Context(), bus.Dead))
	w.must(w.bus.EnsureStreams(t.Context(), settings))
	want := []string{}
	for _, seq := range []uint64{6, 7, 8} {
		m, err := w.bus.Get(t.Context(), bus.Webhooks, seq)
		w.must(err)
		want = append(want, fmt.Sprintf("%s: delivery %d, %s, was done and has left neither event, outcome nor dead letter", Deliveries, seq, idOf(m)))
	}
	if diff := cmp.Diff(want, w.look(Deliveries)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	// A provider that this program does not know has nobody who processes its deliveries.
	w.deliver("acme", "x", "x")
	w.mustFind("deliveries of acme wait", Deliveries)
}

func TestLetters(t *testing.T) {
	w := lived(t)
	w.must(w.bus.Bury(t.Context(), bus.DeadLetter{Consumer: "projector-verifications", Stream: bus.Verifications, Sequence: 3, Cause: "unreadable"}))
	w.mustFind("message 3 of KYC_VERIFICATIONS is not in the read model", Letters)
	_, err := w.bus.Publish(t.Context(), bus.Message{Subject: "kyc.dead.x", Data: []byte("x")})
	w.must(err)
	w.mustFind("cannot be read", Letters)
}

// change writes to the state of idenfy.
func (w *world) change(fn func(tx *store.Tx) error) {
	w.t.Helper()
	l, err := store.OpenLifecycle(w.t.Context(), w.at, "idenfy")
	w.must(err)
	w.must(l.Update(w.t.Context(), fn))
	w.must(l.Close())
}

// record changes the version of a verification in the state.
func (w *world) record(reference string, version int) {
	w.t.Helper()
	ctx := w.t.Context()
	w.change(func(tx *store.Tx) error {
		r, err := tx.Record(ctx, verification.NewID("idenfy", "id_verification", reference), false)
		if err != nil {
			return err
		}
		r.Version, r.State.Status = version, verification.Approved
		return tx.Save(ctx, r, store.Dates{})
	})
}

func TestStates(t *testing.T) {
	w := lived(t)
	w.record("ref-2", 0)
	w.mustFind("idenfy/id_verification/ref-2 has version 0 in the state of idenfy, its stream has version 1", States)
	w.mustAdvise("verdict rebuild state --provider idenfy --accept", States)
	w.record("ref-2", 3)
	w.mustFind("has version 3 in the state of idenfy, which is neither in the stream", States)
	w.record("ref-2", 1)
	w.mustFindNothing(States)
	w.record("new", 1)
	w.mustFind("idenfy/id_verification/new has version 1", States)
	w.change(func(tx *store.Tx) error {
		return tx.Append(t.Context(), store.OutboxRow{Lane: bus.Verifications, EventID: "idenfy/id_verification/new@1", Subject: "kyc.v1.idenfy.a.b", Data: []byte("{}")})
	})
	w.mustFindNothing(States)
	w.mustFind("the outbox of idenfy to KYC_VERIFICATIONS does not move", Outbox)
	w.change(func(tx *store.Tx) error {
		return tx.SetPosition(t.Context(), bus.Sandbox, store.Position{Stream: "former", Seq: 1})
	})
	w.mustFind("is of another KYC_SANDBOX, made at former", States)
}

// A state that misses a verification.
func TestStateLost(t *testing.T) {
	w := lived(t)
	w.must(os.Remove(filepath.Join(w.dir, "lifecycle-idenfy.db")))
	w.mustFindNothing(States) // it is made anew
	l, err := store.OpenLifecycle(t.Context(), w.at, "idenfy")
	w.must(err)
	w.must(l.Close())
	w.mustFind("has version 0 in the state of idenfy", States)
}

func (w *world) model(fn func(*store.ReadModel) error) {
	w.t.Helper()
	m, err := store.OpenReadModel(w.t.Context(), w.at)
	w.must(err)
	w.must(fn(m))
	w.must(m.Close())
}

func TestReadModel(t *testing.T) {
	w := lived(t)
	ctx := t.Context()
	row := func(m *store.ReadModel) store.EventRow {
		v, err := m.Verification(ctx, "idenfy/id_verification/ref-3", false)
		w.must(err)
		return store.EventRow{Sequence: v.Sequence, Published: "approved", StoredAt: v.UpdatedAt, Data: v.Data}
	}
	var last store.EventRow
	w.model(func(m *store.ReadModel) error {
		last = row(m)
		last.Data.Version, last.Data.CausationSequence = 2, 6
		return m.PutEvent(ctx, last)
	})
	w.mustFind(fmt.Sprintf("idenfy/id_verification/ref-3 is not in the table what message %d of KYC_VERIFICATIONS says", last.Sequence), ReadModel)
	w.mustFind("delivery 6 has the outcome applied in the table, the streams say repeat", ReadModel)
	w.mustFind("the timelines have 6 events of KYC_VERIFICATIONS through message 5, the stream has 5", ReadModel)
	w.model(func(m *store.ReadModel) error {
		e := row(m)
		e.Data.ID, e.Data.CausationSequence = "idenfy/id_verification/nobody", 0
		return m.PutEvent(ctx, e)
	})
	w.mustFind("idenfy/id_verification/nobody is in the table and in no stream", ReadModel)
}

// alter changes a table of the read model behind its back.
func (w *world) alter(statement string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "readmodel.db"))
	w.must(err)
	_, err = db.ExecContext(w.t.Context(), statement)
	w.must(errors.Join(err, db.Close()))
}

// What lists and counts go by is looked at too, and what waits for a decision.
func TestReadModelAltered(t *testing.T) {
	w := lived(t)
	m, err := w.bus.Get(t.Context(), bus.Webhooks, 1)
	w.must(err)
	_, err = w.bus.Publish(t.Context(), bus.Message{Subject: "kyc.held.idenfy", Header: m.Header, Data: m.Data})
	w.must(err)
	w.settle()
	w.mustFindNothing()
	w.alter(`DELETE FROM delivery WHERE stream = 'KYC_HELD'`)
	w.mustFind("held delivery 1 is not in the table", ReadModel)
	w.mustAdvise("verdict rebuild readmodel --accept", ReadModel)
	w.alter(`UPDATE verification_event SET data = replace(data, '"approved"', '"rejected"') WHERE id = 'idenfy/id_verification/ref-3'`)
	w.mustFind("the timelines have something else in an event of KYC_VERIFICATIONS through message 5 than the stream", ReadModel)
	w.alter(`UPDATE verification SET status = 'expired' WHERE id = 'idenfy/id_verification/ref-2'`)
	w.mustFind("idenfy/id_verification/ref-2 is listed with another status than it has", ReadModel)
}

// A read model that says that it has everything, and has nothing.
func TestReadModelLacks(t *testing.T) {
	w := lived(t)
	w.must(os.Remove(filepath.Join(w.dir, "readmodel.db")))
	w.model(func(m *store.ReadModel) error {
		for _, stream := range []string{bus.Webhooks, bus.Verifications, bus.Sandbox, bus.Outcomes, bus.Dead} {
			identity, err := w.bus.StreamIdentity(t.Context(), stream)
			w.must(err)
			w.must(m.PutProgress(t.Context(), store.Progress{Stream: stream, Identity: identity, Sequence: 4, At: time.Now()}))
		}
		return nil
	})
	found := strings.Join(w.look(ReadModel), "\n")
	for _, want := range []string{"delivery 4 is not in the table", "the timelines have 0 events of KYC_VERIFICATIONS through message 4, the stream has 4"} {
		// Only some examples are shown.
		if !strings.Contains(found, want) && !strings.Contains(found, "delivery 1 is not in the table") {
			t.Errorf("found %s, want %s", found, want)
		}
	}
	if strings.Contains(found, "delivery 5") {
		t.Errorf("what the read model does not claim to have is found missing: %s", found)
	}
}

func TestSpool(t *testing.T) {
	w := lived(t)
	s, err := spool.Open(filepath.Join(w.dir, "spool"), spool.Limits{})
	w.must(err)
	w.must(s.Append(t.Context(), spool.Entry{Subject: "x", Key: "x", At: time.Now()}))
	w.mustFindNothing(Outbox)
	w.must(s.Trim(spool.Position{Stream: "x", Index: 1}))
	w.must(s.Append(t.Context(), spool.Entry{Subject: "x", Key: "x", At: time.Now().Add(-time.Hour)}))
	w.mustFind("the spool in "+filepath.Join(w.dir, "spool")+" does not move", Outbox)
	w.must(s.Close())
}

func TestKeys(t *testing.T) {
	w := lived(t)
	files, err := filepath.Glob(filepath.Join(w.dir, "keys", "idenfy", "20*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("keys %v, %v", files, err)
	}
	w.must(os.WriteFile(filepath.Join(w.dir, "keys", "kycaid", "2020-01-01T00"), []byte("x"), 0o600))
	w.mustFind("key kycaid/2020-01-01T00 is still there", Keys)
	for _, file := range files {
		w.must(os.Remove(file))
	}
	// This process has them in memory for a minute.
	config := w.config()
	config.Keys = w.reopenKeys()
	report, err := Run(t.Context(), config)
	w.must(err)
	if text := fmt.Sprint(report.Checks[8].Examples); !strings.Contains(text, "is missing, and its time is not over") {
		t.Errorf("found %s", text)
	}
	config.Keys, config.Only = nil, []string{Keys}
	report, err = Run(t.Context(), config)
	w.must(err)
	if report.Checks[0].State != Skipped {
		t.Errorf("without keys: %+v", report.Checks[0])
	}
	config.NoKeyDir = true
	report, err = Run(t.Context(), config)
	w.must(err)
	if text := fmt.Sprint(report.Checks[0].Examples); report.Checks[0].State != Ill || !strings.Contains(text, "there is no key directory") {
		t.Errorf("without a key directory: %+v", report.Checks[0])
	}
}

func TestClaims(t *testing.T) {
	w := lived(t)
	w.mustFindNothing(Claims)
	w.model(func(m *store.ReadModel) error {
		return m.UpdateClaims(t.Context(), "idenfy/id_verification/ref-1", false, func(c store.ClaimsRow) (*store.ClaimsRow, error) {
			if len(c.Sealed) == 0 {
				t.Error("there are no claims")
			}
			c.Signal.ReceivedAt = time.Now().Add(-retention - 2*time.Hour)
			return &c, nil
		})
	})
	w.mustFind("the claims of idenfy/id_verification/ref-1 are still there", Claims)
}

func TestStreamsAndConsumers(t *testing.T) {
	w := lived(t)
	config := w.config()
	config.Streams.Retention = time.Hour
	config.Only = []string{Streams}
	report, err := Run(t.Context(), config)
	w.must(err)
	if n := report.Findings(); n != 5 {
		t.Errorf("%d findings, want one for each stream that is kept as long as the retention: %+v", n, report.Checks)
	}
	w.must(w.bus.ResetConsumer(t.Context(), bus.Webhooks, "lifecycle-kycaid"))
	w.mustFind("consumer lifecycle-kycaid of KYC_WEBHOOKS does not exist", Consumers)
}

// A report can be read by programs.
func TestReportAsJSON(t *testing.T) {
	w := newWorld(t)
	w.settle()
	report, err := Run(t.Context(), w.config())
	w.must(err)
	text, err := json.Marshal(report)
	w.must(err)
	var read Report
	w.must(json.Unmarshal(text, &read))
	if diff := cmp.Diff(*report, read); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("a list is null: %s", text)
	}
}
