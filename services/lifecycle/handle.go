package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// The causes of dead letters that the lifecycle gives besides those of the providers.
const (
	causeUnreadable     = "unreadable_event" // the message is not a delivery as the receiver writes it
	causeCorrupt        = "corrupt_seal"     // the sealed body does not open with its key
	causeTooManySignals = "too_many_signals"
	causeUnknownRow     = "unknown_row" // the decoder says what the table of the kind lacks
)

// MaxReasons bounds what one signal brings into an event. The providers' whole lists are
// shorter; a body may hold a hundred thousand.
const MaxReasons = 200

// delivery is an accepted webhook on its way through the lifecycle.
type delivery struct {
	event.Webhook
	seq uint64
}

// handle brings one delivery to its outcome. It returns nil once the outcome is durable; see
// bus.Consumer for what an error means.
func (w *worker) handle(ctx context.Context, m bus.Stored) error {
	webhook, err := event.DecodeWebhook(m.Header, m.Data)
	if err != nil {
		return bus.Permanent(causeUnreadable, err)
	}
	d := delivery{Webhook: webhook, seq: m.Seq}
	body, err := w.open(d)
	if errors.Is(err, seal.ErrKeyDestroyed) {
		return w.tell(ctx, d, event.ExpiredUnprocessed, nil)
	}
	if err != nil {
		return err
	}
	decoded, err := w.provider.Decode(provider.Delivery{Event: d.Event, Body: body})
	var undecodable *provider.DecodeError
	switch {
	case errors.Is(err, provider.ErrUnhandled):
		return w.unhandled(ctx, d, decoded.Seen)
	case errors.As(err, &undecodable):
		return bus.Permanent(undecodable.Cause, err)
	case err != nil:
		return err
	}
	return w.fold(ctx, d, decoded.Elements)
}

// open returns the body of a delivery. seal.ErrKeyDestroyed means that its time has passed. A
// key that is missing before that is a key directory that is not the right one or not there
// now: the delivery waits.
func (w *worker) open(d delivery) ([]byte, error) {
	body, err := w.Keys.Open(d.SealKey, d.ID, d.Sealed)
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, seal.ErrCorrupt):
		return nil, bus.Permanent(causeCorrupt, err)
	case errors.Is(err, seal.ErrKeyDestroyed) && seal.Expired(d.SealKey, w.Retention(w.provider.Name), time.Now()):
		return nil, err
	default:
		//nolint:errorlint // The caller must not take a key that is not there now for one whose time is over.
		return nil, fmt.Errorf("%w: open the body with key %s: %v", bus.ErrUnavailable, d.SealKey, err)
	}
}

// fold applies the elements of a delivery, and tells the outcome where nothing changed. A
// delivery with elements of a verification that is full goes to the dead letters, when the
// events of the others are in the stream: applied is the outcome then, where there are any.
func (w *worker) fold(ctx context.Context, d delivery, elements []provider.Element) error {
	signals, err := w.signals(d, elements)
	if err != nil {
		return err
	}
	result, err := w.apply(ctx, d, signals)
	if err != nil {
		return w.failed(err)
	}
	if err := w.settle(ctx, result); err != nil {
		return err
	}
	switch {
	case result.full != nil:
		return bus.Permanent(causeTooManySignals, result.full)
	case result.applied:
		return nil
	default:
		return w.tell(ctx, d, event.Repeat, result)
	}
}

// unhandled remembers the payloads of an event that tells of no verification, and tells so.
func (w *worker) unhandled(ctx context.Context, d delivery, seen []verification.Signal) error {
	result, err := w.remember(ctx, d, seen)
	if err != nil {
		return w.failed(err)
	}
	if err := w.settle(ctx, result); err != nil || result.applied {
		return err
	}
	return w.tell(ctx, d, event.Unhandled, nil)
}

// settle waits until what a delivery changed is published.
func (w *worker) settle(ctx context.Context, result *result) error {
	failpoint.Hit(failpoint.LifecycleCommitted)
	w.metrics.signals(ctx, result)
	for _, lane := range w.lanes {
		if !slices.Contains(result.lanes, lane.sandbox) {
			continue
		}
		if err := lane.relay.Flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// failed marks what the transaction's error says about the delivery: nothing where the
// database is away.
func (w *worker) failed(err error) error {
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrLeaseLost) {
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	return err
}

// signals completes what the decoder said with what only the lifecycle knows.
func (w *worker) signals(d delivery, elements []provider.Element) ([]told, error) {
	signals := make([]told, len(elements))
	for i := range elements {
		e := &elements[i]
		kind, ok := w.provider.Kind(e.Kind)
		if !ok {
			return nil, bus.Permanent(causeUnknownRow, fmt.Errorf("no kind %q", e.Kind))
		}
		s := e.Signal
		s.Event, s.Unknown = d.Event, e.Unknown
		s.Reasons = s.Reasons[:min(len(s.Reasons), MaxReasons)]
		s.Received(d.seq, d.ReceivedAt, d.ID)
		if err := kind.Fill(&s); err != nil {
			return nil, bus.Permanent(causeUnknownRow, err)
		}
		for _, reference := range []*string{&s.Applicant, &s.ExternalReference, &s.PreviousReference} {
			*reference = pseudonymous(*reference, w.Keys.Pseudonym)
		}
		reference := e.Reference
		if e.ReferenceIsApplicant {
			reference = strings.Replace(reference, e.Signal.Applicant, s.Applicant, 1)
		}
		signals[i] = told{kind: kind, id: verification.NewID(w.provider.Name, kind.Name, reference), signal: s}
	}
	return signals, nil
}

// told is a signal and the verification that it tells of.
type told struct {
	kind   *verification.Kind
	id     verification.ID
	signal verification.Signal
}

// record names the record that the signal is added to.
func (t *told) record() string { return recordKey(t.id, t.signal.Sandbox) }
