package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func appendRows(t *testing.T, l *Lifecycle, rows ...OutboxRow) {
	t.Helper()
	must(t, l.Update(t.Context(), func(tx *Tx) error { return tx.Append(t.Context(), rows...) }))
}

func waiting(t *testing.T, l *Lifecycle, lane string, limit int) []OutboxRow {
	t.Helper()
	rows, err := l.Waiting(t.Context(), lane, 0, limit)
	must(t, err)
	return rows
}

func eventIDs(rows []OutboxRow) []string {
	ids := []string{}
	for _, row := range rows {
		ids = append(ids, row.EventID)
	}
	return ids
}

func testOutbox(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	full := OutboxRow{
		Lane: "L", EventID: "yousign/identity_document/a@1", Subject: "kyc.v1.yousign.identity_document.pending",
		Header: map[string][]string{"ce-id": {"one"}, "two": {"x", "y"}}, Data: []byte("{\x00\xff}"),
	}
	appendRows(t, l)
	appendRows(t, l, full, OutboxRow{Lane: "M", EventID: "m"})
	appendRows(t, l, OutboxRow{Lane: "L", EventID: "b"}, OutboxRow{Lane: "L", EventID: "c"})

	rows := waiting(t, l, "L", 10)
	full.ID = rows[0].ID
	want := []OutboxRow{full, {ID: rows[1].ID, Lane: "L", EventID: "b"}, {ID: rows[2].ID, Lane: "L", EventID: "c"}}
	if diff := cmp.Diff(want, rows, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	if rows[0].ID >= rows[1].ID || rows[1].ID >= rows[2].ID {
		t.Errorf("ids do not ascend: %d, %d, %d", rows[0].ID, rows[1].ID, rows[2].ID)
	}
	if diff := cmp.Diff([]string{"yousign/identity_document/a@1", "b"}, eventIDs(waiting(t, l, "L", 2))); diff != "" {
		t.Errorf("two of the waiting (-want +got):\n%s", diff)
	}

	must(t, l.DropRow(t.Context(), rows[1].ID))
	if diff := cmp.Diff([]string{"yousign/identity_document/a@1", "c"}, eventIDs(waiting(t, l, "L", 10))); diff != "" {
		t.Errorf("after one was dropped (-want +got):\n%s", diff)
	}
}

func testOutboxEvents(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	a, ab := testID("a"), testID("ab")
	event := func(lane, id string) OutboxRow { return OutboxRow{Lane: lane, EventID: id} }
	appendRows(t, l, event("L", a.String()+"@1"), event("L", ab.String()+"@1"), event("L", a.String()+"@2"), event("M", a.String()+"@3"))

	err := l.Update(t.Context(), func(tx *Tx) error { return tx.Append(t.Context(), event("L", a.String()+"@2")) })
	if err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("an event id that is in the lane already: error %v", err)
	}

	must(t, l.Update(t.Context(), func(tx *Tx) error {
		rows, err := tx.Outbox(t.Context(), "L", a)
		if diff := cmp.Diff([]string{a.String() + "@1", a.String() + "@2"}, eventIDs(rows)); diff != "" {
			t.Errorf("rows of one verification (-want +got):\n%s", diff)
		}
		return errors.Join(err, tx.DropOutbox(t.Context(), "L", a.String()+"@2", "not there"))
	}))
	if diff := cmp.Diff([]string{a.String() + "@1", ab.String() + "@1"}, eventIDs(waiting(t, l, "L", 10))); diff != "" {
		t.Errorf("after one event was dropped (-want +got):\n%s", diff)
	}
	appendRows(t, l, event("L", a.String()+"@2"))
}

func testPublished(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	must(t, l.SetPosition(t.Context(), "L", Position{Stream: "s", Seq: 40}))
	appendRows(t, l, OutboxRow{Lane: "L", EventID: "a"}, OutboxRow{Lane: "M", EventID: "b"}, OutboxRow{Lane: "L", EventID: "c"}, OutboxRow{Lane: "L", EventID: "d"})
	rows := waiting(t, l, "L", 10)

	for _, test := range []struct {
		through int64
		seq     uint64
		left    []string
		at      Position
	}{
		{rows[1].ID, 42, []string{"d"}, Position{"s", 42}},
		{rows[1].ID, 41, []string{"d"}, Position{"s", 42}}, // told again, later
		{rows[2].ID, 43, []string{}, Position{"s", 43}},
	} {
		must(t, l.MarkPublished(t.Context(), "L", test.through, test.seq))
		if diff := cmp.Diff(test.left, eventIDs(waiting(t, l, "L", 10))); diff != "" {
			t.Errorf("after %d was published (-want +got):\n%s", test.seq, diff)
		}
		got, err := l.Position(t.Context(), "L")
		must(t, err)
		if got != test.at {
			t.Errorf("after %d was published the position is %v, want %v", test.seq, got, test.at)
		}
	}
	if diff := cmp.Diff([]string{"b"}, eventIDs(waiting(t, l, "M", 10))); diff != "" {
		t.Errorf("the other lane (-want +got):\n%s", diff)
	}
	appendRows(t, l, OutboxRow{Lane: "L", EventID: "e"})
	if next := waiting(t, l, "L", 1)[0].ID; next <= rows[2].ID {
		t.Errorf("the number %d was used again, after %d", next, rows[2].ID)
	}
}
