package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// references are the records of a state.
func references(t *testing.T, l *Lifecycle) (list []string) {
	t.Helper()
	must(t, l.Records(t.Context(), func(rec *verification.Record) error {
		list = append(list, rec.ID.Reference)
		return nil
	}))
	return list
}

func testBeside(t *testing.T, at place) {
	location := at(t)
	l, err := OpenLifecycle(t.Context(), location, testProvider)
	must(t, err)
	save(t, l, waitingRecord("one", start), Dates{})
	save(t, l, waitingRecord("two", start), Dates{})

	left, err := l.Beside(t.Context())
	must(t, err)
	save(t, left, waitingRecord("left", start), Dates{})
	must(t, left.Close())
	b, err := l.Beside(t.Context())
	must(t, err)
	if found := references(t, b); len(found) != 0 {
		t.Errorf("a new state holds %v", found)
	}
	save(t, b, waitingRecord("three", start), Dates{})
	save(t, l, waitingRecord("four", start), Dates{})
	if diff := cmp.Diff([]string{"four", "one", "two"}, references(t, l)); diff != "" {
		t.Errorf("the state in use (-want +got):\n%s", diff)
	}
	must(t, l.TakePlace(t.Context(), b))

	l, err = OpenLifecycle(t.Context(), location, testProvider)
	must(t, err)
	defer func() { check(t, l.Close()) }()
	if diff := cmp.Diff([]string{"three"}, references(t, l)); diff != "" {
		t.Errorf("the state in use now (-want +got):\n%s", diff)
	}
	reader, err := OpenLifecycleReader(t.Context(), location, testProvider)
	must(t, err)
	defer func() { check(t, reader.Close()) }()
	if diff := cmp.Diff([]string{"three"}, references(t, reader)); diff != "" {
		t.Errorf("the state as it is read (-want +got):\n%s", diff)
	}
	for _, want := range []bool{true, false} {
		if dropped, err := DropFormer(t.Context(), location, testProvider); err != nil || dropped != want {
			t.Errorf("dropped: %v, %v, want %v", dropped, err, want)
		}
	}

	// Once more, and given up.
	b, err = l.Beside(t.Context())
	must(t, err)
	save(t, b, waitingRecord("five", start), Dates{})
	must(t, errors.Join(b.Close(), l.DropBeside(t.Context())))
	if diff := cmp.Diff([]string{"three"}, references(t, l)); diff != "" {
		t.Errorf("the state after one was given up (-want +got):\n%s", diff)
	}
	if n := rowsOf(t, l); n != 1 {
		t.Errorf("%d records are left in all", n)
	}
}

// rowsOf counts the records of all states in the database of one.
func rowsOf(t *testing.T, l *Lifecycle) (n int64) {
	t.Helper()
	_, err := l.db.read().one(t.Context(), []any{&n}, `SELECT count(*) FROM lifecycle_record`)
	must(t, err)
	return n
}

// A crash between any two renames leaves one of the two states, whole.
func TestReplacingIsFinished(t *testing.T) {
	for _, c := range []struct {
		name string
		// what has happened before the crash
		moved []string
		want  string
	}{
		{"nothing was renamed", nil, "old"},
		{"the new one is whole", []string{"rebuilt.db>next.db"}, "new"},
		{"the log is out of the way", []string{"rebuilt.db>next.db", "db-wal>former.db-wal"}, "new"},
		{"the old one is out of the way", []string{"rebuilt.db>next.db", "db-wal>former.db-wal", "db>former.db"}, "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := Location{Dir: t.TempDir()}
			l, err := OpenLifecycle(t.Context(), at, testProvider)
			must(t, err)
			save(t, l, waitingRecord("old", start), Dates{})
			b, err := l.Beside(t.Context())
			must(t, err)
			save(t, b, waitingRecord("new", start), Dates{})
			must(t, errors.Join(b.Close(), l.Close()))
			name := func(suffix string) string { return filepath.Join(at.Dir, "lifecycle-"+testProvider+"."+suffix) }
			must(t, os.WriteFile(name("db-wal"), []byte("a log that a crash left"), fileMode))
			for _, move := range c.moved {
				from, to, _ := strings.Cut(move, ">")
				must(t, os.Rename(name(from), name(to)))
			}
			for range 2 {
				l, err = OpenLifecycle(t.Context(), at, testProvider)
				must(t, err)
				if diff := cmp.Diff([]string{c.want}, references(t, l)); diff != "" {
					t.Errorf("the state (-want +got):\n%s", diff)
				}
				must(t, l.Close())
			}
			if _, err := os.Stat(name("next.db")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the new one is still on its way: %v", err)
			}
		})
	}
}

func TestReaderOfNoState(t *testing.T) {
	if _, err := OpenLifecycleReader(t.Context(), Location{Dir: t.TempDir()}, testProvider); !errors.Is(err, ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

func testReaderWritesNothing(t *testing.T, at place) {
	location := at(t)
	l := newLifecycle(t, location)
	save(t, l, waitingRecord("one", start), Dates{})
	reader, err := OpenLifecycleReader(t.Context(), location, testProvider)
	must(t, err)
	defer func() { check(t, reader.Close()) }()
	if err := reader.Update(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, errReadOnly) {
		t.Errorf("writing: %v", err)
	}
	page, err := reader.Page(t.Context(), RecordKey{}, 10)
	if err != nil || len(page) != 1 {
		t.Errorf("a page has %d records: %v", len(page), err)
	}
}

func testSightingsOfDecoders(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	put := func(seq uint64, decoder int) {
		must(t, l.Update(t.Context(), func(tx *Tx) error {
			return tx.AddSighting(t.Context(), "s", Sighting{Seq: seq, At: start, ReceivedAt: start, Delivery: "d", Decoder: decoder})
		}))
	}
	for _, c := range []struct {
		seq     uint64
		decoder int
		want    int
	}{{5, 1, 1}, {5, 3, 3}, {5, 2, 3}, {6, 4, 3}, {4, 1, 1}} {
		put(c.seq, c.decoder)
		p, err := l.Payload(t.Context(), "s")
		if err != nil || p.Sighting.Decoder != c.want {
			t.Errorf("after %d by %d it is of decoder %d, want %d: %v", c.seq, c.decoder, p.Sighting.Decoder, c.want, err)
		}
	}
}

func TestStaging(t *testing.T) {
	dir := t.TempDir()
	open := func(work string) *Staging {
		s, err := OpenStaging(t.Context(), dir, "work", work)
		must(t, err)
		return s
	}
	s := open("first")
	signal := func(id string, seq uint64) verification.Signal {
		return verification.Signal{ID: id, Seq: seq, At: start, ReceivedAt: start, Says: "yes"}
	}
	key := RecordKey{ID: testID("a").String()}
	must(t, s.PutBefore(t.Context(), []Before{
		{Seq: 2, Outcome: OutcomeDead, Note: Note{"dead", 7}}, {Seq: 3, Outcome: OutcomeUnhandled, Note: Note{"told", 7}},
	}))
	must(t, s.PutBefore(t.Context(), []Before{
		{Seq: 2, Outcome: OutcomeUnhandled, Note: Note{"told", 8}}, {Seq: 2, Outcome: OutcomeDead, Note: Note{"dead", 9}},
	}))
	must(t, s.Put(t.Context(), []StagedDelivery{
		{Seq: 3, ID: "d3", Result: "decoded", Whole: true, Verifications: []string{key.ID}, Readings: []StagedReading{{key, 3, signal("s", 3)}}},
		{Seq: 2, ID: "d2", Result: "decoded", Whole: true, Readings: []StagedReading{{key, 2, signal("s", 2)}, {key, 2, signal("t", 2)}}},
		{Seq: 4, ID: "d4", Result: "unhandled", Sightings: []verification.Signal{signal("u", 4)}},
	}, "read", "4"))
	must(t, s.Close())

	s = open("first")
	if mark, err := s.Mark(t.Context(), "read"); err != nil || mark != "4" {
		t.Errorf("it was read up to %q: %v", mark, err)
	}
	readings, err := s.Readings(t.Context(), key)
	if err != nil || len(readings) != 3 || readings[0].Seq != 2 || readings[2].Seq != 3 {
		t.Errorf("readings are %+v: %v", readings, err)
	}
	first, err := s.First(t.Context(), "", 10)
	if err != nil || len(first) != 2 || first[0].Seq != 2 || first[0].Signal.ID != "s" {
		t.Errorf("first readings are %+v: %v", first, err)
	}
	must(t, s.End(t.Context(), Ended{Applied: []uint64{2}, Known: []uint64{2, 3}}))
	endings, err := s.Endings(t.Context(), 0, 10)
	if err != nil || len(endings) != 1 || endings[0].Seq != 2 || !endings[0].Applied || endings[0].Before != OutcomeDead {
		t.Errorf("endings are %+v: %v", endings, err)
	}
	if notes, err := s.Notes(t.Context(), 2); err != nil || !cmp.Equal(notes, []Note{{"dead", 7}, {"dead", 9}, {"told", 8}}) {
		t.Errorf("notes are %v: %v", notes, err)
	}
	if counts, err := s.Results(t.Context()); err != nil || counts["decoded"] != 2 || counts["unhandled"] != 1 {
		t.Errorf("results are %v: %v", counts, err)
	}
	must(t, s.Close())

	// Other work begins anew, also where the file is none any more.
	s = open("second")
	if counts, err := s.Results(t.Context()); err != nil || len(counts) != 0 {
		t.Errorf("other work finds %v: %v", counts, err)
	}
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(dir, "work.db"), []byte("this is no database, and it is longer than a header"), fileMode))
	s = open("second")
	must(t, s.Remove())
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
}

func testDraft(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	save(t, l, waitingRecord("a", start), Dates{})
	owner := Owner{Verification: testID("a"), Event: "e", Seq: 3}
	must(t, l.Update(t.Context(), func(tx *Tx) error { return tx.SetOwner(t.Context(), "s", owner) }))
	staging, err := OpenStaging(t.Context(), t.TempDir(), "draft", "draft")
	must(t, err)
	defer func() { check(t, staging.Remove()) }()
	d, ctx := NewDraft(l, staging), context.Background()

	rec, err := d.Record(ctx, testID("a"), false)
	must(t, err)
	rec.Version = 9
	other := Owner{Verification: testID("b"), Event: "f", Seq: 2}
	must(t, errors.Join(d.Save(ctx, rec, Dates{}), d.SetOwner(ctx, "s", other), d.AddSighting(ctx, "s", Sighting{Seq: 1, At: start, ReceivedAt: start, Decoder: 2})))
	if rec, err = d.Record(ctx, testID("a"), false); err != nil || rec.Version != 9 {
		t.Errorf("the draft has version %d: %v", rec.Version, err)
	}
	if p, err := d.Payload(ctx, "s"); err != nil || p.Owner != other || !p.Sighted || p.Sighting.Seq != 1 {
		t.Errorf("the draft has %+v: %v", p, err)
	}
	must(t, d.DropOwner(ctx, "s"))
	if _, known, err := d.Owner(ctx, "s"); err != nil || known {
		t.Errorf("the draft still has an owner: %v", err)
	}
	if p, err := l.Payload(ctx, "s"); err != nil || p.Owner != owner || p.Sighted {
		t.Errorf("the state has %+v: %v", p, err)
	}
	if got := load(t, l, testID("a"), false); got.Version != 1 {
		t.Errorf("the state has version %d", got.Version)
	}
}
