package bus

import "context"

// Bury publishes the dead letter of something that no consumer holds: an event that no stream can take. Errors: ErrUnavailable, ErrRejected.
func (b *Bus) Bury(ctx context.Context, letter DeadLetter) error {
	return letter.publish(ctx, &publisher{bus: b})
}
