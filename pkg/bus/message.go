package bus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// MessageIDHeader names the header by which a stream recognises a repeated message within its deduplication window.
const MessageIDHeader = jetstream.MsgIDHeader

// Message is a message to be published. Header names are case-sensitive.
type Message struct {
	Subject string
	Header  map[string][]string
	Data    []byte
}

// Ack says where a message is stored durably. Duplicate means that a message with its id was already there, and Seq is that one's.
type Ack struct {
	Stream    string
	Seq       uint64
	Duplicate bool
}

// Stored is a message read from a stream. Attempt counts its deliveries to a consumer, from 1; it is 0 where no consumer was involved.
type Stored struct {
	Message
	Stream  string
	Seq     uint64
	Time    time.Time
	Attempt int
}

// Fence keeps a publisher from storing what others have overtaken: the last message on the subjects that Filter matches must be the one with LastSeq,
// 0 meaning that there is none. The zero Fence is no fence.
type Fence struct {
	Filter  string
	LastSeq uint64
}

// literalSubject reports whether a subject has no wildcard, no empty token and nothing that ends it early.
func literalSubject(subject string) bool {
	begins := true // a token
	for i := range len(subject) {
		c := subject[i]
		switch {
		case c == '.' && !begins:
			begins = true
			continue
		case c <= ' ' || c == '.' || c == '*' || c == '>' || c == 0x7f:
			return false
		}
		begins = false
	}
	return !begins
}

// tokenCharacters are those that the name of a header may have besides letters and digits: the token of RFC 9110, section 5.6.2.
const tokenCharacters = "!#$%&'*+.^_`|~-"

func headerName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte(tokenCharacters, c) < 0 {
			return false
		}
	}
	return name != ""
}

// ownHeaders is how many headers a message may get besides those that it has.
const ownHeaders = 4

// outgoing copies m into the broker's form with the trace of ctx in its hop header. A message whose subject or headers could be
// read as something else by the broker is ErrRejected; the error does not repeat them.
func (m Message) outgoing(ctx context.Context) (*nats.Msg, error) {
	if !literalSubject(m.Subject) {
		return nil, fmt.Errorf("%w: the subject is not a literal subject", ErrRejected)
	}
	header := make(nats.Header, len(m.Header)+ownHeaders)
	for name, values := range m.Header {
		if !headerName(name) {
			return nil, fmt.Errorf("%w: a header has an invalid name", ErrRejected)
		}
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n\x00") {
				return nil, fmt.Errorf("%w: header %s holds a control character", ErrRejected, name)
			}
		}
		header[name] = slices.Clip(values) // which nobody changes
	}
	// Where ctx has no span, the hop that the message came with stays.
	telemetry.Inject(ctx, header)
	return &nats.Msg{Subject: m.Subject, Header: header, Data: m.Data}, nil
}

// storedFromRaw converts what a stream returns for a sequence or a subject.
func storedFromRaw(stream string, raw *jetstream.RawStreamMsg) Stored {
	return Stored{
		Message: Message{Subject: raw.Subject, Header: raw.Header, Data: raw.Data},
		Stream:  stream, Seq: raw.Sequence, Time: raw.Time,
	}
}

// storedFromDelivery converts what a consumer delivers.
func storedFromDelivery(msg jetstream.Msg) (Stored, *jetstream.MsgMetadata, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Stored{}, nil, fmt.Errorf("read the metadata of a delivery: %w", err)
	}
	return Stored{
		Message: Message{Subject: msg.Subject(), Header: msg.Headers(), Data: msg.Data()},
		Stream:  meta.Stream, Seq: meta.Sequence.Stream, Time: meta.Timestamp,
		Attempt: int(meta.NumDelivered),
	}, meta, nil
}
