package store

import "context"

// EventCount returns how many events of a verification are known. Events are never changed, so that whoever knows as many knows all.
func (m *ReadModel) EventCount(ctx context.Context, id string, sandbox bool) (int, error) {
	var n int
	_, err := m.db.read().one(ctx, []any{&n}, `SELECT count(*) FROM verification_event WHERE id = $1 AND sandbox = $2`, reference(id), sandbox)
	return n, wrap("count events", err)
}

// Exclusive reports whether no other process can write the read model, so that what this one has read and written is all there is.
// PostgreSQL does not keep others from it.
func (m *ReadModel) Exclusive() bool { return m.db.lock != nil }
