package store

import "context"

// eventTables hold what came from the stream of sandbox events or from that of the others.
var eventTables = []string{"verification", "verification_event", "unknown_value", "claims"}

// Forget deletes everything that came from a stream, with its progress, in one transaction: the stream of that name is another one now.
// With the deliveries of KYC_WEBHOOKS goes what other streams told of them; those streams have to be read again.
func (m *ReadModel) Forget(ctx context.Context, stream string) error {
	err := m.db.update(ctx, func(s statements) error { return forgetStream(ctx, s, stream) })
	if err == nil {
		err = m.db.forget(ctx)
	}
	return wrap("forget "+stream, err)
}

func forgetStream(ctx context.Context, s statements, stream string) error {
	for _, table := range []string{"delivery", "progress"} {
		if _, err := s.exec(ctx, `DELETE FROM `+table+` WHERE stream = $1`, stream); err != nil {
			return err
		}
	}
	if stream != streamOf(false) && stream != streamOf(true) {
		return nil
	}
	for _, table := range eventTables {
		if _, err := s.exec(ctx, `DELETE FROM `+table+` WHERE sandbox = $1`, stream == streamOf(true)); err != nil {
			return err
		}
	}
	return nil
}
