package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func unpaced(int) error { return nil }

// beginRebuild begins one that is discarded at the end of the test.
func beginRebuild(t *testing.T, m *ReadModel, indexed bool) *Rebuild {
	t.Helper()
	r, err := m.Rebuild(t.Context(), indexed)
	must(t, err)
	t.Cleanup(func() { check(t, r.Discard(context.Background())) })
	return r
}

// switched makes a new read model of what was written and takes it into use.
func switched(t *testing.T, m *ReadModel, r *Rebuild) (kept string) {
	t.Helper()
	must(t, m.Alone(t.Context(), func(ctx context.Context) (err error) {
		kept, err = r.Switch(ctx)
		return err
	}))
	return kept
}

// live fills a read model with all there is.
func live(t *testing.T, m *ReadModel) {
	t.Helper()
	sandbox := testEventRow("a", 1, 1, 8)
	sandbox.Sandbox = true
	sandbox.Data.Signal.Unknown = []string{"field"}
	put(t, m, testEventRow("a", 1, 1, 1), testEventRow("b", 1, 2, 2), testEventRow("a", 2, 3, 3), sandbox)
	for seq := range uint64(5) {
		must(t, m.PutDelivery(t.Context(), testDeliveryOf(seq+1)))
	}
	setClaims(t, m, testID("a").String(), claimsOf(3))
	must(t, m.UpdateClaims(t.Context(), testID("b").String(), false, func(ClaimsRow) (*ClaimsRow, error) {
		return &ClaimsRow{AnonymizedThrough: 2}, nil
	}))
	must(t, m.PutOutcome(t.Context(), Outcome{Stream: webhookStream, Sequence: 4, Outcome: OutcomeExpired, At: start}))
	must(t, m.PutOutcome(t.Context(), Outcome{Stream: webhookStream, Sequence: 5, Outcome: OutcomeDead, Cause: "broken", At: start}))
	must(t, m.PutProgress(t.Context(), Progress{Stream: verificationStream, Identity: "i", Sequence: 3, At: start}))
}

// sumsOf are the checksums of all tables.
func sumsOf(t *testing.T, m *ReadModel) []Sum {
	t.Helper()
	s, err := m.Snapshot(t.Context())
	must(t, err)
	defer func() { check(t, s.Close(t.Context())) }()
	var all []Sum
	for _, table := range ComparedTables() {
		sum, err := s.Sum(t.Context(), table, unpaced)
		must(t, err)
		all = append(all, sum)
	}
	return all
}

// traces lists the files or schemas of read models that there are.
func traces(t *testing.T, m *ReadModel) []string {
	t.Helper()
	if m.db.postgres() {
		names, err := list(t.Context(), m.db.read(), func(scan scanner) (name string, err error) {
			return name, scan(&name)
		}, `SELECT nspname::TEXT FROM pg_namespace WHERE nspname LIKE '%readmodel%' ORDER BY nspname`)
		must(t, err)
		return names
	}
	entries, err := os.ReadDir(m.at.Dir)
	must(t, err)
	var names []string
	for _, entry := range entries {
		if name := entry.Name(); name != "readmodel.db.lock" && name != pointerFile && strings.HasPrefix(name, "readmodel") &&
			!strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") {
			names = append(names, name)
		}
	}
	return names
}

func testRebuild(t *testing.T, at place) {
	for _, indexed := range []bool{false, true} {
		t.Run(fmt.Sprint("indexed ", indexed), func(t *testing.T) { testRebuildOf(t, at, indexed) })
	}
}

// indexesOf names the indexes of a read model.
func indexesOf(t *testing.T, m *ReadModel) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY name`
	if m.db.postgres() {
		query = `SELECT indexname::TEXT FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname`
	}
	names, err := list(t.Context(), m.db.read(), func(scan scanner) (name string, err error) { return name, scan(&name) }, query)
	must(t, err)
	return names
}

func testRebuildOf(t *testing.T, at place, indexed bool) {
	place := at(t)
	m := newReadModel(t, place)
	live(t, m)
	reader, err := OpenReader(t.Context(), place)
	must(t, err)
	defer func() { check(t, reader.Close()) }()
	want := sumsOf(t, m)
	before := traces(t, m)

	r := beginRebuild(t, m, indexed)
	must(t, r.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("a", 2, 3, 3), testEventRow("b", 1, 2, 2)}, Deliveries: []Delivery{testDeliveryOf(5)}}))
	must(t, r.Index(t.Context()))
	carried, err := r.Carry(t.Context(), everywhere(), never, unpaced)
	must(t, err)
	if diff := cmp.Diff(Carried{Events: 2, Deliveries: 5, Outcomes: 2, Claims: 1}, carried); diff != "" {
		t.Errorf("carried over (-want +got):\n%s", diff)
	}
	must(t, r.Put(t.Context(), Bulk{Claims: []Claims{{VerificationKey{testID("a").String(), false}, *claimsOf(3)}}}))
	if diff := cmp.Diff(want, sumsOf(t, r.Model())); diff != "" {
		t.Errorf("checksums (-in use +new):\n%s", diff)
	}
	if diff := cmp.Diff(indexesOf(t, m), indexesOf(t, r.Model())); diff != "" {
		t.Errorf("indexes (-in use +new):\n%s", diff)
	}
	// The one more tells the new one from the one before.
	must(t, r.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("c", 1, 4, 6)}}))
	kept := switched(t, m, r)
	if _, err := m.Verification(t.Context(), testID("c").String(), false); err != nil {
		t.Errorf("the new one is not in use: %v", err)
	}
	put(t, m, testEventRow("d", 1, 5, 7))
	for begun := time.Now(); ; {
		_, err := reader.Verification(t.Context(), testID("d").String(), false)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrNotFound) || time.Since(begun) > time.Minute {
			t.Fatalf("what is read after the switch: %v", err)
		}
	}
	must(t, m.Tidy(t.Context(), false))
	names, err := m.Kept(t.Context())
	must(t, err)
	if !slices.Equal(names, []string{kept}) {
		t.Errorf("kept are %q, want %q", names, kept)
	}
	wiped(t, m, kept)
	dropped, err := m.DropKept(t.Context())
	must(t, err)
	if left := traces(t, m); !slices.Equal(dropped, []string{kept}) || len(left) != len(before) {
		t.Errorf("dropped are %q; left is %q, at first %q", dropped, left, before)
	}
}

// wiped tells whether there is no personal data in a read model that is kept, and everything else.
func wiped(t *testing.T, m *ReadModel, name string) {
	t.Helper()
	db, table := m.db, quoted(name)+".claims"
	if !db.postgres() {
		s := readModelSchema
		s.file = name
		var err error
		db, err = openSQLiteReader(m.at.Dir, s)
		must(t, err)
		defer func() { check(t, db.close()) }()
		table = "claims"
	}
	var rows, sealed int
	_, err := db.read().one(t.Context(), []any{&rows, &sealed}, `SELECT count(*), count(sealed) + count(wrapped) FROM `+table)
	must(t, err)
	if rows != 2 || sealed != 0 {
		t.Errorf("%d rows of claims are kept, want 2; with %d claims and keys", rows, sealed)
	}
}

func testRebuildLeavesNoTrace(t *testing.T, at place) {
	place := at(t)
	m := newReadModel(t, place)
	live(t, m)
	want, before := sumsOf(t, m), traces(t, m)
	for _, indexed := range []bool{false, true} {
		for _, dies := range []bool{false, true} {
			r, err := m.Rebuild(t.Context(), false)
			must(t, err)
			must(t, r.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("c", 1, 4, 6)}}))
			if indexed {
				must(t, r.Index(t.Context()))
			}
			if dies {
				must(t, r.next.db.close())
				switch s := r.site.(type) {
				case *fileSite:
					must(t, s.closeFile())
				case *schemaSite:
					s.release(t.Context())
				}
				must(t, m.Tidy(t.Context(), false))
			} else {
				must(t, r.Discard(t.Context()))
				must(t, r.Discard(t.Context()))
			}
			if got := traces(t, m); !slices.Equal(got, before) {
				t.Errorf("left is %q, at first %q", got, before)
			}
		}
	}
	if diff := cmp.Diff(want, sumsOf(t, m)); diff != "" {
		t.Errorf("checksums of what is in use (-before +after):\n%s", diff)
	}
}

func testRebuildKept(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	live(t, m)
	r := beginRebuild(t, m, false)
	must(t, r.Index(t.Context()))
	name, err := r.Keep(t.Context())
	must(t, err)
	must(t, m.Tidy(t.Context(), false))
	names, err := m.Kept(t.Context())
	must(t, err)
	if !slices.Equal(names, []string{name}) {
		t.Errorf("kept are %q, want %q", names, name)
	}
	if _, err := m.Verification(t.Context(), testID("a").String(), false); err != nil {
		t.Errorf("what is in use: %v", err)
	}
	if _, err := r.Switch(t.Context()); !errors.Is(err, errNotReady) {
		t.Errorf("switching to what was kept: error %v", err)
	}
}

// testBulkIsTheSame writes facts together and one by one.
func testBulkIsTheSame(t *testing.T, at place) {
	place := at(t)
	m := newReadModel(t, place)
	anonymized := testEventRow("a", 3, 7, 0)
	anonymized.Data.AnonymizedThrough = 3
	unknown := testEventRow("b", 1, 2, 2)
	unknown.Data.Signal.Unknown = []string{"x", "y"}
	b := Bulk{
		Events:     []EventRow{testEventRow("a", 2, 4, 3), unknown, testEventRow("a", 1, 1, 1), anonymized, unknown},
		Deliveries: []Delivery{testDeliveryOf(3), testDeliveryOf(90), testDeliveryOf(1), testDeliveryOf(4), testDeliveryOf(4)},
		Progress:   []Progress{{Stream: "S", Sequence: 4, At: start}},
		Claims: []Claims{
			{VerificationKey{testID("a").String(), false}, *claimsOf(3)},
			{VerificationKey{testID("b").String(), false}, *claimsOf(2)},
		},
	}
	// More than one statement writes.
	for i := range uint64(rowsTogether[0] + rowsTogether[1] + 1) {
		b.Events = append(b.Events, testEventRow(fmt.Sprint("many", i), 1, 100+i, 0))
		b.Deliveries = append(b.Deliveries, testDeliveryOf(100+i))
		b.Claims = append(b.Claims, Claims{VerificationKey{testID(fmt.Sprint("many", i)).String(), false}, *claimsOf(100 + i)})
	}
	for i := range b.Events {
		b.Events[i].Data.CausationID = testDeliveryOf(b.Events[i].Data.CausationSequence).EventID
		must(t, m.PutEvent(t.Context(), b.Events[i]))
	}
	for _, d := range b.Deliveries {
		must(t, m.PutDelivery(t.Context(), d))
	}
	must(t, m.PutProgress(t.Context(), b.Progress[0]))
	for _, c := range b.Claims {
		setClaims(t, m, c.ID, &c.Row)
	}
	want := dump(t, m.db, readModelTables...)
	emptied(t, m)
	for range 2 {
		must(t, m.PutBulk(t.Context(), b))
		if diff := cmp.Diff(want, dump(t, m.db, readModelTables...)); diff != "" {
			t.Errorf("tables (-one by one +together):\n%s", diff)
		}
	}
	b.Deliveries[0].Outcome = "no such"
	if err := m.PutBulk(t.Context(), b); !errors.Is(err, errUnknownOutcome) {
		t.Errorf("an outcome that there is not: error %v", err)
	}
}

// testForgetAfterSnapshot destroys claims while there is a snapshot.
func testForgetAfterSnapshot(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	put(t, m, testEventRow("a", 1, 1, 1))
	setClaims(t, m, testID("a").String(), claimsOf(1))
	s, err := m.Snapshot(t.Context())
	must(t, err)
	gone := testEventRow("a", 2, 2, 0)
	gone.Data.AnonymizedThrough = 1
	begun := time.Now()
	put(t, m, gone)
	if took := time.Since(begun); took > sqliteBusyTimeout {
		t.Errorf("a writer has waited %v for a snapshot", took)
	}
	sum, err := s.Sum(t.Context(), "claims", unpaced)
	must(t, err)
	must(t, s.Close(t.Context()))
	if after := sumsOf(t, m); sum.Rows != 1 || after[len(after)-1] == sum {
		t.Errorf("the snapshot had %+v, and after it is %+v", sum, after)
	}
	if m.db.postgres() {
		return
	}
	log, err := os.Stat(filepath.Join(m.at.Dir, "readmodel.db-wal"))
	must(t, err)
	if log.Size() != 0 {
		t.Errorf("%d bytes of what was deleted are still in the log", log.Size())
	}
}

// Claims are destroyed in the one before as soon as another one is in use: who has not followed yet does not take that for an answer.
func testClaimsAcrossTheSwitch(t *testing.T, at place) {
	place := at(t)
	m := newReadModel(t, place)
	live(t, m)
	reader, err := OpenReader(t.Context(), place)
	must(t, err)
	defer func() { check(t, reader.Close()) }()
	id := testID("a").String()
	want, err := reader.Claims(t.Context(), id, false)
	must(t, err)
	r := beginRebuild(t, m, false)
	must(t, r.Put(t.Context(), Bulk{Claims: []Claims{{VerificationKey{id, false}, want}}}))
	must(t, r.Index(t.Context()))
	switched(t, m, r)
	must(t, m.Tidy(t.Context(), false))
	got, err := reader.Claims(t.Context(), id, false)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-before the switch +after):\n%s", diff)
	}
}
