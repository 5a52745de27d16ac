package store

import "context"

// Position is how far a stream is known to hold what the state says.
type Position struct {
	// Stream is the identity of the stream, which changes when it is made anew; empty where none was ever set.
	Stream string
	Seq    uint64
}

// Position returns the position of a lane, the zero value where none was ever set.
func (l *Lifecycle) Position(ctx context.Context, lane string) (Position, error) {
	return position(ctx, l.db.read(), l.key, lane)
}

// SetPosition sets the position of a lane, also to an earlier one.
func (l *Lifecycle) SetPosition(ctx context.Context, lane string, p Position) error {
	return l.Update(ctx, func(tx *Tx) error { return tx.SetPosition(ctx, lane, p) })
}

// Position returns the position of a lane, the zero value where none was ever set.
func (tx *Tx) Position(ctx context.Context, lane string) (Position, error) {
	return position(ctx, tx.statements, tx.key, lane)
}

// SetPosition sets the position of a lane, also to an earlier one.
func (tx *Tx) SetPosition(ctx context.Context, lane string, p Position) error {
	_, err := tx.exec(ctx, `
		INSERT INTO lifecycle_position (provider, lane, stream, seq) VALUES ($1, $2, $3, $4)
		ON CONFLICT (provider, lane) DO UPDATE SET stream = excluded.stream, seq = excluded.seq`,
		tx.key, lane, p.Stream, int64(p.Seq))
	return wrap("set position", err)
}

// advance moves the position of a lane forward, within the stream that it is of.
func (tx *Tx) advance(ctx context.Context, lane string, seq uint64) error {
	_, err := tx.exec(ctx, `
		INSERT INTO lifecycle_position (provider, lane, stream, seq) VALUES ($1, $2, '', $3)
		ON CONFLICT (provider, lane) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > lifecycle_position.seq`,
		tx.key, lane, int64(seq))
	return err
}

func position(ctx context.Context, s statements, provider, lane string) (Position, error) {
	var p Position
	_, err := s.one(ctx, []any{&p.Stream, &p.Seq},
		`SELECT stream, seq FROM lifecycle_position WHERE provider = $1 AND lane = $2`, provider, lane)
	return p, wrap("read position", err)
}
