package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
)

const (
	deadSubjects    = "kyc.dead."
	webhookSubjects = "kyc.webhook."
	eventIDHeader   = "ce-id"
	// maxErrorText bounds the text of an error in a dead letter.
	maxErrorText = 1024
)

// Spool stands for the stream in a dead letter about a delivery that never reached one. The sequence is its index in a receiver's spool.
const Spool = "spool"

// ReadModelConsumers begins the names of the consumers that keep the read model. What they give up says nothing of how a delivery ended:
// where a delivery could not be shown, it may well have been applied.
const ReadModelConsumers = "projector-"

// DeadLetter refers to a message that a consumer gave up. It never holds the body.
type DeadLetter struct {
	// Consumer gave the message up, with all that Stream and Sequence name.
	Consumer string `json:"consumer"`
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	Subject  string `json:"subject"`
	// EventID is the id of the CloudEvent, empty where the message is none.
	EventID string `json:"event_id"`
	// Provider is known for webhooks and empty for others.
	Provider string `json:"provider"`
	// Cause matches ^[a-z0-9_]{1,64}$; Error is for reading.
	Cause        string    `json:"cause"`
	Error        string    `json:"error"`
	Attempts     int       `json:"attempts"`
	FirstErrorAt time.Time `json:"first_error_at"`
	LastErrorAt  time.Time `json:"last_error_at"`
	// Redrives is how often the message was handled once more in vain, and Replaces the sequence of the letter before that.
	Redrives int    `json:"redrives,omitempty"`
	Replaces uint64 `json:"replaces,omitempty"`
}

// EndsDelivery reports whether the letter says how a delivery ended.
func (l *DeadLetter) EndsDelivery() bool {
	return (l.Stream == Webhooks || l.Stream == Spool) && !strings.HasPrefix(l.Consumer, ReadModelConsumers)
}

func newDeadLetter(consumer string, stored Stored, cause string, err error, known failures) DeadLetter {
	return DeadLetter{
		Consumer: consumer, Stream: stored.Stream, Sequence: stored.Seq, Subject: stored.Subject,
		EventID: eventID(stored.Header), Provider: provider(stored.Subject),
		Cause: cause, Error: shortened(err.Error()),
		Attempts: known.attempts, FirstErrorAt: known.first, LastErrorAt: known.last,
	}
}

// publish makes the letter durable. A second letter about the same message within the deduplication window is the same letter.
func (l DeadLetter) publish(ctx context.Context, to message.Publisher) error {
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode a dead letter: %w", err)
	}
	id := fmt.Sprintf("%s:%s:%d", l.Consumer, l.Stream, l.Sequence)
	if l.Replaces > 0 {
		// It is another letter than the one before, however soon it comes.
		id += fmt.Sprintf(":%d", l.Replaces)
	}
	if err := to.Publish(deadSubjects+l.Consumer, message.NewMessageWithContext(ctx, id, data)); err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	return nil
}

// eventID reads the id of a CloudEvent, whose header values are percent-encoded.
func eventID(header map[string][]string) string {
	for name, values := range header {
		if strings.EqualFold(name, eventIDHeader) && len(values) > 0 {
			if decoded, err := url.PathUnescape(values[0]); err == nil {
				return decoded
			}
			return values[0]
		}
	}
	return ""
}

func provider(subject string) string {
	rest, ok := strings.CutPrefix(subject, webhookSubjects)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, ".")
	return name
}

func shortened(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxErrorText {
		return text
	}
	end := maxErrorText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
