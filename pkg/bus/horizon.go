package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const spoolSubjects = "kyc.spool."

// SpoolHorizon says how far a receiver's spool is: every webhook that it took before Until is in its stream, or never will be.
type SpoolHorizon struct {
	// Receiver is the name of the spool, ^[A-Za-z0-9_-]{1,64}$; it outlives the process.
	Receiver string    `json:"receiver"`
	Until    time.Time `json:"until"`
	// Closed means that the receiver has stopped and left nothing behind.
	Closed bool `json:"closed"`
}

// TellHorizon replaces what was told of that receiver before. Errors: ErrUnavailable, ErrRejected.
func (b *Bus) TellHorizon(ctx context.Context, h SpoolHorizon) error {
	data, err := json.Marshal(h)
	if err == nil {
		_, err = b.Publish(ctx, Message{Subject: spoolSubjects + h.Receiver, Data: data})
	}
	if err != nil {
		return fmt.Errorf("tell how far the spool is: %w", err)
	}
	return nil
}

// Horizon returns the time before which no webhook waits in any receiver's spool, now at the latest. A receiver that has not been heard of
// for as long as its stream keeps messages has no say any more. Errors: ErrUnavailable.
func (b *Bus) Horizon(ctx context.Context, now time.Time) (time.Time, error) {
	horizon := now
	_, err := b.Read(ctx, Spools, spoolSubjects+">", 1, func(m Stored) error {
		var h SpoolHorizon
		if err := json.Unmarshal(m.Data, &h); err != nil {
			return fmt.Errorf("message %d of %s: %w", m.Seq, Spools, err)
		}
		if !h.Closed && h.Until.Before(horizon) {
			horizon = h.Until
		}
		return nil
	})
	return horizon, err
}
