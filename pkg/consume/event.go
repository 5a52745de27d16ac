package consume

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/event"
)

// Event is what happened to a verification, or, from a snapshot, what it has come to.
type Event struct {
	event.Verification
	// Published is what the event was published under: a status, or noted, overdue or anonymized. It is empty in a snapshot, which does not tell.
	Published string
	// Stream and Sequence are the event's place; StoredAt is when the stream got it.
	Stream   string
	Sequence uint64
	StoredAt time.Time
	// Sandbox tells that it comes of a provider's test environment.
	Sandbox bool
	// Snapshot tells that this is the current state of the verification, and not the news of it: there may have been many events before.
	Snapshot bool
	// Replay is the name of the replay that the event comes from, empty where it is told for the first time.
	Replay string
	// Traceparent is where the event began, as W3C Trace Context says; it may be empty.
	Traceparent string
}

// subjectHeader holds the id of the verification.
const subjectHeader = "ce-subject"

// placed is the part of an event that is known without reading it.
func placed(meta *jetstream.MsgMetadata, sandbox bool) Event {
	return Event{Stream: meta.Stream, Sequence: meta.Sequence.Stream, StoredAt: meta.Timestamp, Sandbox: sandbox}
}

// decode reads a delivered message. Where it is no event the place alone is left, with ErrUndecodable.
func (e *Event) decode(msg jetstream.Msg) error {
	envelope, err := event.Decode(msg.Headers(), msg.Data())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	if e.Verification, e.Published, err = event.VerificationOf(envelope); err != nil {
		e.Verification = event.Verification{}
		return fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	e.Traceparent = event.Traceparent(envelope)
	e.Replay = event.ReplayOf(envelope)
	return nil
}

// keyOf is what events are kept in order by: the verification, as the header tells it. A message without one is on its own.
func keyOf(msg jetstream.Msg, sequence uint64) string {
	headers := msg.Headers()
	if id := headers[subjectHeader]; len(id) > 0 && id[0] != "" {
		return id[0]
	}
	for name, values := range headers {
		if strings.EqualFold(name, subjectHeader) && len(values) > 0 && values[0] != "" {
			return values[0]
		}
	}
	return "#" + strconv.FormatUint(sequence, 10)
}
