package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const auditSubjects = "kyc.audit."

// AuditEntry says who changed what by hand. It holds no personal data.
type AuditEntry struct {
	At   time.Time `json:"at"`
	Verb string    `json:"verb"` // ^[a-z0-9_-]{1,64}$
	// Actor is who asked: user@host of a command line, or how the API knows him.
	Actor string `json:"actor"`
	// Via is cli or api.
	Via string `json:"via"`
	// Target names what was changed: a run, a stream, a message.
	Target string `json:"target"`
	// Filter says which of them, as it was asked for; empty where all or one is meant.
	Filter string `json:"filter,omitempty"`
	Count  uint64 `json:"count"`
	Note   string `json:"note,omitempty"`
}

// Audit makes an entry durable, for good. A zero time stands for now. Errors: ErrUnavailable, ErrRejected.
func (b *Bus) Audit(ctx context.Context, e AuditEntry) error {
	if e.At.IsZero() {
		e.At = time.Now().UTC()
	}
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if _, err := b.Publish(ctx, Message{Subject: auditSubjects + e.Verb, Data: data}); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}
