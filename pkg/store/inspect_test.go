package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/event"
)

// What an inspection is handed is what is in the tables, over many pages.
func testInspect(t *testing.T, at place) {
	ctx := t.Context()
	place := at(t)
	m := newReadModel(t, place)
	const n = 2*inspectPage + 3
	events := make([]EventRow, n)
	for i := range events {
		events[i] = testEventRow(fmt.Sprintf("r%04d", i), 1, uint64(i+1), uint64(i+1))
	}
	put(t, m, events...)
	for i := range 3 {
		id := events[i*inspectPage].Data.ID
		setClaims(t, m, id, claimsOf(uint64(i+1)))
	}
	gone := *claimsOf(9)
	gone.Key, gone.Sealed = nil, nil
	setClaims(t, m, events[7].Data.ID, &gone)

	seen := map[string]uint64{}
	must(t, m.Everything(ctx, func(page []VerificationRow) error {
		for _, row := range page {
			seen[row.Data.ID] = row.Sequence
		}
		return nil
	}))
	if len(seen) != n || seen[events[n-1].Data.ID] != n {
		t.Errorf("%d verifications, want %d", len(seen), n)
	}
	misfiled := map[string][]string{}
	must(t, m.Misfiled(ctx, func(key RecordKey, columns []string) error {
		misfiled[key.ID] = columns
		return nil
	}))
	if len(misfiled) > 0 {
		t.Errorf("misfiled %v, want none", misfiled)
	}
	moved := events[inspectPage+1].Data.ID
	must(t, m.db.update(ctx, func(s statements) error {
		_, err := s.exec(ctx, `UPDATE verification SET kind = 'x', applicant = 'nobody' WHERE id = $1`, moved)
		return err
	}))
	must(t, m.Misfiled(ctx, func(key RecordKey, columns []string) error {
		misfiled[key.ID] = columns
		return nil
	}))
	if diff := cmp.Diff(map[string][]string{moved: {"kind", "applicant"}}, misfiled); diff != "" {
		t.Errorf("misfiled (-want +got):\n%s", diff)
	}
	next := uint64(10)
	must(t, m.Outcomes(ctx, webhookStream, 10, n-2, func(seq uint64, outcome string) error {
		if seq != next || outcome != OutcomeApplied {
			t.Errorf("delivery %d is %s, want %d", seq, outcome, next)
		}
		next++
		return nil
	}))
	if next != n-1 {
		t.Errorf("deliveries end before %d", next)
	}
	kept := 0
	must(t, m.KeptClaims(ctx, func(id string, sandbox bool, received time.Time) error {
		kept++
		if seen[id] == 0 || sandbox || !received.Equal(start) {
			t.Errorf("claims of %s, received at %v", id, received)
		}
		return nil
	}))
	if count, err := m.CountEvents(ctx, false, 3, n-1); err != nil || kept != 3 || count != n-3 {
		t.Errorf("%d claims, %d events, %v", kept, count, err)
	}

	next = 3
	must(t, m.EachEvent(ctx, false, 3, n-1, func(data *event.Verification) error {
		if want := events[next-1].Data.ID; data.ID != want {
			t.Errorf("event %d is of %s, want %s", next, data.ID, want)
		}
		next++
		return nil
	}))
	if next != n {
		t.Errorf("events end before %d", next)
	}

	l := newLifecycle(t, place)
	for i := range n {
		save(t, l, waitingRecord(fmt.Sprint(i), start), Dates{})
	}
	versions := 0
	must(t, l.Versions(ctx, func(page []Version) error {
		for _, v := range page {
			one, err := l.VersionOf(ctx, v.RecordKey)
			if err != nil || one != v.Version {
				t.Errorf("version %d of %s, %v: want %d", one, v.ID, err, v.Version)
			}
		}
		versions += len(page)
		return nil
	}))
	if none, err := l.VersionOf(ctx, RecordKey{ID: "nobody"}); err != nil || none != 0 || versions != n {
		t.Errorf("%d versions, that of nobody %d, %v", versions, none, err)
	}
	must(t, l.Update(ctx, func(tx *Tx) error {
		return tx.Append(ctx, OutboxRow{Lane: verificationStream, EventID: "a@1", Subject: "s", Data: []byte("{}")}, OutboxRow{Lane: verificationStream, EventID: "a@2", Subject: "s", Data: []byte("{}")})
	}))
	size, first, err := l.OutboxSize(ctx, verificationStream)
	other, _, otherErr := l.OutboxSize(ctx, sandboxStream)
	if err != nil || otherErr != nil || size != 2 || first == 0 || other != 0 {
		t.Errorf("the outbox has %d from %d on, %v; the other %d, %v", size, first, err, other, otherErr)
	}
	for id, want := range map[string]bool{"a@2": true, "a@3": false} {
		if got, err := l.Announced(ctx, verificationStream, id); err != nil || got != want {
			t.Errorf("%s is announced: %v, %v", id, got, err)
		}
	}
}

// A stream that was restored takes the place of the one before for whatever has read no more of it than was restored.
func testRebind(t *testing.T, at place) {
	ctx := t.Context()
	place := at(t)
	l, err := OpenLifecycle(ctx, place, testProvider)
	must(t, err)
	m, err := OpenReadModel(ctx, place)
	must(t, err)
	for stream, seq := range map[string]uint64{verificationStream: 10, sandboxStream: 11} {
		must(t, l.SetPosition(ctx, stream, Position{Stream: "before", Seq: seq}))
		must(t, m.PutProgress(ctx, Progress{Stream: stream, Identity: "before", Sequence: seq, At: start}))
	}
	must(t, l.Close())
	must(t, m.Close())
	must(t, Rebind(ctx, place, []Successor{
		{Stream: verificationStream, From: "before", To: "after", Last: 10},
		{Stream: sandboxStream, From: "before", To: "after", Last: 10},
		{Stream: webhookStream, From: "before", To: "after", Last: 10},
	}))
	l, m = newLifecycle(t, place), newReadModel(t, place)
	for stream, want := range map[string]string{verificationStream: "after", sandboxStream: "before"} {
		position, err := l.Position(ctx, stream)
		must(t, err)
		progress, err := m.Progress(ctx, stream)
		must(t, err)
		if position.Stream != want || progress.Identity != want {
			t.Errorf("%s is %s for the state and %s for the read model, want %s", stream, position.Stream, progress.Identity, want)
		}
	}
}

// Where there is no database yet there is nothing to do.
func testRebindNothing(t *testing.T, at place) {
	must(t, Rebind(t.Context(), at(t), []Successor{{Stream: webhookStream, From: "a", To: "b"}}))
}

// A copy that is made while the databases are written is whole, and has no claims nor anything that opens them.
func TestBackUp(t *testing.T) {
	ctx := t.Context()
	place := sqlitePlace(t)
	m, l := newReadModel(t, place), newLifecycle(t, place)
	const n = 50
	for i := range n {
		e := testEventRow(fmt.Sprint("r", i), 1, uint64(i+1), uint64(i+1))
		put(t, m, e)
		setClaims(t, m, e.Data.ID, claimsOf(uint64(i+1)))
		save(t, l, waitingRecord(fmt.Sprint(i), start), Dates{})
	}
	erased := testEventRow("erased", 1, n+1, n+1)
	erased.Data.AnonymizedThrough, erased.Data.DataAnonymized = n+1, true
	put(t, m, erased)
	must(t, m.PutProgress(ctx, Progress{Stream: verificationStream, Identity: "i", Sequence: n + 1, At: start}))
	must(t, m.PutProgress(ctx, Progress{Stream: sandboxStream, Identity: "i", Sequence: 3, At: start}))

	to := t.TempDir()
	names, err := BackUp(ctx, place, to, map[string]uint64{verificationStream: 20, sandboxStream: 20})
	must(t, err)
	if diff := cmp.Diff([]string{"lifecycle-yousign.db", "readmodel.db"}, names); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	files, err := os.ReadDir(to)
	must(t, err)
	if len(files) != len(names) {
		t.Errorf("there are %v", files)
	}
	content, err := os.ReadFile(filepath.Join(to, "readmodel.db"))
	must(t, err)
	for _, secret := range [][]byte{claimsOf(1).Key, claimsOf(1).Sealed} {
		if bytes.Contains(content, secret) {
			t.Errorf("the copy holds %q", secret)
		}
	}
	copied := newReadModel(t, Location{Dir: to})
	for stream, want := range map[string]uint64{verificationStream: 19, sandboxStream: 3} {
		if p, err := copied.Progress(ctx, stream); err != nil || p.Sequence != want || p.Identity != "i" {
			t.Errorf("progress %+v, %v: want %d", p, err, want)
		}
	}
	if count, err := copied.CountEvents(ctx, false, 1, n+1); err != nil || count != n+1 {
		t.Errorf("%d events, %v", count, err)
	}
	if row, err := copied.Claims(ctx, erased.Data.ID, false); err != nil || row.AnonymizedThrough != n+1 {
		t.Errorf("what was erased is %+v, %v", row, err)
	}
	if row, err := copied.Claims(ctx, testID("r3").String(), false); err == nil && (row.Sealed != nil || row.Key != nil || row.Signal.ID != "") {
		t.Errorf("the copy has claims %+v", row)
	}
	state := newLifecycle(t, Location{Dir: to})
	if diff := cmp.Diff(waitingRecord("7", start), load(t, state, testID("7"), false)); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	// They are made again, as they were.
	setClaims(t, copied, testID("r3").String(), claimsOf(4))
	if diff := cmp.Diff(*claimsOf(4), readBack(t, copied, testID("r3").String())); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestScratch(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenScratch(dir)
	must(t, err)
	ctx := t.Context()
	const n = 2*scratchPage + 7
	list := make([]Known, n)
	for i := range list {
		list[i] = Known{Key: fmt.Sprintf("k%05d", i), Version: i, Sequence: uint64(n - i), Flags: int64(i), Digest: []byte{byte(i)}}
	}
	must(t, s.Put(ctx, list))
	must(t, s.Put(ctx, []Known{{Key: "k00003", Version: 9, Sequence: 1}, {Key: "k00004", Version: 9, Sequence: n + 1}}))
	list[4] = Known{Key: "k00004", Version: 9, Sequence: n + 1, Digest: nil}
	found, err := s.Find(ctx, []string{"k00003", "k00004", "nobody"})
	must(t, err)
	if diff := cmp.Diff(map[string]Known{"k00003": list[3], "k00004": list[4]}, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	var all []Known
	must(t, s.Each(ctx, func(k Known) error {
		all = append(all, k)
		return nil
	}))
	if diff := cmp.Diff(list, all); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	next, stop := s.Sequences(ctx)
	for _, want := range []uint64{1, 2, 3} {
		if seq, more, err := next(); err != nil || !more || seq != want {
			t.Errorf("sequence %d, %v, %v: want %d", seq, more, err, want)
		}
	}
	stop()
	if count, err := s.Count(ctx); err != nil || count != n {
		t.Errorf("%d notes, %v", count, err)
	}
	must(t, s.Close())
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
