package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
)

const (
	redriveSubjects = "kyc.redrive."
	// redriveConsumers begins the names of the durable positions in the stream of requests.
	redriveConsumers = "redrive-"
	// maxRedrives bounds the requests of one consumer in work, so that they leave its messages room.
	maxRedrives = 16
)

// ErrUnchanged is what a handler returns for a message that came to nothing else when it was handled once more: nothing is told anew, and
// what was told of it stays open. Elsewhere it is an error like any other.
var ErrUnchanged = errors.New("handled once more, and nothing has changed")

// RedriveRequest asks a consumer to handle a message once more.
type RedriveRequest struct {
	Consumer string `json:"consumer"`
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	// Letter is the sequence of the dead letter to close; 0 where the message was not given up.
	Letter uint64 `json:"letter,omitempty"`
	// Outcome is the sequence of the outcome `unhandled` that the message had; 0 where it was given up.
	Outcome uint64 `json:"outcome,omitempty"`
	// Actor and Via are who asked, for the audit.
	Actor string `json:"actor"`
	Via   string `json:"via"`
}

// RequestFor returns the request that a letter stands for.
func (l *Letter) RequestFor(actor, via string) RedriveRequest {
	return RedriveRequest{Consumer: l.Consumer, Stream: l.Stream, Sequence: l.Sequence, Letter: l.Seq, Actor: actor, Via: via}
}

// Redrive asks for a message to be handled once more, and reports whether that is news: who asks the same again for a letter within the
// deduplication window has asked once, for no letter is open any more when its request is done. What was told of a message that nobody gave
// up may stand then, and it is news each time. A message is handled as often as it is asked for, but no request for a letter that is closed
// does anything.
// Errors: ErrUnavailable, ErrRejected.
func (b *Bus) Redrive(ctx context.Context, r RedriveRequest) (news bool, err error) {
	data, err := json.Marshal(r)
	if err != nil {
		return false, fmt.Errorf("redrive: %w", err)
	}
	m := Message{Subject: redriveSubjects + r.Consumer, Data: data}
	if r.Letter > 0 {
		m.Header = map[string][]string{MessageIDHeader: {fmt.Sprintf("%s:%s:%d:%d", r.Consumer, r.Stream, r.Sequence, r.Letter)}}
	}
	ack, err := b.Publish(ctx, m)
	if err != nil {
		return false, fmt.Errorf("redrive: %w", err)
	}
	return !ack.Duplicate, nil
}

// Redriving returns how many requests the consumer has not done yet. Errors: ErrNotFound where no such consumer has ever run, ErrUnavailable.
func (b *Bus) Redriving(ctx context.Context, consumer string) (uint64, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	_, err := b.consumerInfo(ctx, Redrives, redriveConsumers+consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, fmt.Errorf("requests for %s: %w", consumer, ErrNotFound)
	}
	var handle jetstream.Stream
	if err == nil {
		handle, err = b.js.Stream(ctx, Redrives)
	}
	var info *jetstream.StreamInfo
	if err == nil {
		// What a consumer says of itself may lag; the stream holds exactly what is not done.
		info, err = handle.Info(ctx, jetstream.WithSubjectFilter(redriveSubjects+consumer))
	}
	if err != nil {
		return 0, fmt.Errorf("requests for %s: %w", consumer, classify(err))
	}
	return info.State.Subjects[redriveSubjects+consumer], nil
}

type redriveKey struct{}

// RedriveOf returns the request because of which a message is handled, if it is handled because of one.
func RedriveOf(ctx context.Context) (RedriveRequest, bool) {
	r, ok := ctx.Value(redriveKey{}).(RedriveRequest)
	return r, ok
}

// redriver does the requests for one consumer. A request is done in an order that a crash may cut anywhere:
//
//	handle ──▶ close the letter ──▶ ack           the message is done
//	handle ──▶ new letter ──▶ close the old ──▶ ack    it is given up once more
//
// What is repeated then is the handler, which must bear that, and a new letter about the same message, which has the same id.
type redriver struct {
	bus      *Bus
	consumer Consumer
}

// requests is the consumer of the requests.
func (r *redriver) requests() Consumer {
	return Consumer{
		Name: redriveConsumers + r.consumer.Name, Stream: Redrives, Filter: redriveSubjects + r.consumer.Name,
		Concurrency: min(r.consumer.Concurrency, maxRedrives), Handle: r.handle,
	}
}

// handle does one request. Its error says of the message what the consumer's own would.
func (r *redriver) handle(ctx context.Context, m Stored) error {
	asked, err := r.begin(ctx, m)
	if asked == nil {
		return err
	}
	asked.message.Attempt = m.Attempt
	err = r.consumer.Handle(context.WithValue(ctx, redriveKey{}, asked.request), asked.message)
	if errors.Is(err, ErrUnchanged) {
		return nil
	}
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.RedriveHandled)
	if err := r.close(ctx, asked.request); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RedriveClosed)
	return nil
}

// redriven is a request, the letter that it is about, if any, and the message that is to be handled once more.
type redriven struct {
	request RedriveRequest
	letter  *Letter
	message Stored
}

// begin returns what a request is about. Where there is nothing to do any more it ends the request, and returns nil.
func (r *redriver) begin(ctx context.Context, m Stored) (*redriven, error) {
	request, letter, open, err := r.read(ctx, m)
	if err != nil || !open {
		return nil, err
	}
	message, err := r.message(ctx, request, letter)
	if errors.Is(err, ErrNotFound) {
		return nil, r.gone(ctx, request, letter)
	}
	if err != nil {
		return nil, err
	}
	return &redriven{request, letter, message}, nil
}

// read returns the request and its letter, and whether there is still something to do.
func (r *redriver) read(ctx context.Context, m Stored) (request RedriveRequest, letter *Letter, open bool, err error) {
	if err := json.Unmarshal(m.Data, &request); err != nil || request.Consumer != r.consumer.Name || request.Stream != r.consumer.Stream {
		r.bus.logger.ErrorContext(ctx, "a request to redrive cannot be understood", "consumer", r.consumer.Name, "sequence", m.Seq)
		return request, nil, false, nil //nolint:nilerr // It would not be understood later either.
	}
	if request.Letter == 0 {
		return request, nil, true, nil
	}
	found, err := r.bus.Letter(ctx, request.Letter)
	if errors.Is(err, ErrNotFound) {
		return request, nil, false, nil
	}
	if errors.Is(err, ErrUnavailable) {
		return request, nil, false, err
	}
	// The stream of dead letters may be another one since.
	same := err == nil && found.Consumer == request.Consumer && found.Stream == request.Stream && found.Sequence == request.Sequence
	return request, &found, same, nil
}

// message returns the message that is to be handled. Errors: ErrNotFound, ErrUnavailable.
func (r *redriver) message(ctx context.Context, request RedriveRequest, letter *Letter) (Stored, error) {
	message, err := r.bus.Get(ctx, request.Stream, request.Sequence)
	if err == nil && letter != nil && (message.Subject != letter.Subject || eventID(message.Header) != letter.EventID) {
		return Stored{}, fmt.Errorf("%w: the stream has another message there", ErrNotFound)
	}
	return message, err
}

// gone ends a request whose message has expired. What was told of a message that nobody gave up stays.
func (r *redriver) gone(ctx context.Context, request RedriveRequest, letter *Letter) error {
	if letter == nil {
		return nil
	}
	state, err := r.bus.StreamState(ctx, letter.Stream)
	if err != nil {
		return err
	}
	// In a stream that was made anew the position is that of another message.
	if r.consumer.Gone != nil && !letter.Filed.Before(state.Created) {
		if err := r.consumer.Gone(ctx, letter.DeadLetter); err != nil {
			return err
		}
	}
	err = r.bus.Audit(ctx, AuditEntry{
		Verb: "dead-expired", Actor: request.Actor, Via: request.Via, Target: fmt.Sprintf("dead letter %d", letter.Seq), Count: 1,
		Note: fmt.Sprintf("message %d of %s is no more: the letter of %s was closed without it", letter.Sequence, letter.Stream, letter.Consumer),
	})
	if err != nil {
		return err
	}
	return r.bus.CloseLetter(ctx, letter.Seq)
}

// close takes what a message that is done had been told of out of its stream.
func (r *redriver) close(ctx context.Context, request RedriveRequest) error {
	if request.Letter > 0 {
		return r.bus.CloseLetter(ctx, request.Letter)
	}
	m, err := r.bus.Get(ctx, Outcomes, request.Outcome)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var told event.Outcome
	if json.Unmarshal(m.Data, &told) != nil || told.Sequence != request.Sequence || told.Outcome != event.Unhandled {
		return nil //nolint:nilerr // The stream of outcomes is another one since.
	}
	return r.bus.Drop(ctx, Outcomes, request.Outcome)
}

// bury makes durable that the message was given up once more: a new letter takes the place of the one before.
func (r *redriver) bury(ctx context.Context, m Stored, cause string, failed error, known failures) error {
	asked, err := r.begin(ctx, m)
	if asked == nil {
		return err
	}
	letter := asked.letter
	next := newDeadLetter(r.consumer.Name, asked.message, cause, failed, known)
	if letter != nil {
		next.Attempts += letter.Attempts
		next.FirstErrorAt = letter.FirstErrorAt
		next.Redrives, next.Replaces = letter.Redrives+1, letter.Seq
	}
	if err := next.publish(ctx, &publisher{bus: r.bus}); err != nil || letter == nil {
		return err
	}
	failpoint.Hit(failpoint.RedriveReplaced)
	return r.bus.CloseLetter(ctx, letter.Seq)
}
