package consume

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

type startKind int

const (
	startUnset startKind = iota
	startBeginning
	startTime
	startSequence
	startNow
	startSnapshot
)

// Start is where to begin, where there is no position yet.
type Start struct {
	kind     startKind
	time     time.Time
	sequence uint64
	api      API
}

// FromBeginning begins with the first event there ever was. Where KYC_VERIFICATIONS does not hold it any more the error is ErrTrimmed; the
// sandbox begins with what it still holds.
func FromBeginning() Start { return Start{kind: startBeginning} }

// FromTime begins with the first event that the stream got at this time or later. The error is ErrTrimmed where older ones were removed since.
func FromTime(t time.Time) Start { return Start{kind: startTime, time: t} }

// FromSequence begins with the event at this position, or the first after it. Errors: ErrTrimmed, ErrAhead.
func FromSequence(sequence uint64) Start { return Start{kind: startSequence, sequence: sequence} }

// FromNow begins with what comes next.
func FromNow() Start { return Start{kind: startNow} }

// Snapshot begins with the current state of every verification, as the API tells it, each as an Event with Snapshot set, and goes on with the
// events after these: no state and no event is missed, and none comes twice but after a crash. The events begin once every state is handled or
// given up. A run that ends before begins again with the first state.
//
// With Premade, the consumer must have been made before; make it with what comes next (`--deliver new`).
func Snapshot(api API) Start { return Start{kind: startSnapshot, api: api} }

func (s Start) check() error {
	switch {
	case s.kind == startSequence && s.sequence == 0:
		return errors.New("FromSequence: sequences begin at 1")
	case s.kind == startTime && s.time.IsZero():
		return errors.New("FromTime: a time is needed; FromBeginning begins with the first event")
	case s.kind != startSnapshot:
		return nil
	}
	address, err := url.Parse(s.api.URL)
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		return errors.New("Snapshot: URL must be that of the API, as in http://127.0.0.1:8081")
	}
	return nil
}

// apply has a consumer begin there.
func (s Start) apply(config *jetstream.ConsumerConfig) {
	switch s.kind {
	case startTime:
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &s.time
	case startSequence:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.sequence
	case startNow:
		config.DeliverPolicy = jetstream.DeliverNewPolicy
	default:
		config.DeliverPolicy = jetstream.DeliverAllPolicy
	}
}

// within checks that the stream reaches from there to its end without a hole.
func (s Start) within(stream string, state jetstream.StreamState) error {
	first := state.FirstSeq
	if state.Msgs == 0 {
		first = state.LastSeq + 1
	}
	const instead = "begin with Snapshot, or with FromSequence(%d) if what is older does not matter"
	switch s.kind {
	case startBeginning:
		if first > 1 && stream == Verifications {
			return fmt.Errorf("%w: %s begins at %d now; "+instead, ErrTrimmed, stream, first, first)
		}
	case startTime:
		if first > 1 && (state.Msgs == 0 || s.time.Before(state.FirstTime)) {
			return fmt.Errorf("%w: %s begins at %d now, of %s; "+instead, ErrTrimmed, stream, first, state.FirstTime.UTC().Format(time.RFC3339), first)
		}
	case startSequence:
		if s.sequence < first {
			return fmt.Errorf("%w: %s begins at %d now, and %d was asked for; "+instead, ErrTrimmed, stream, first, s.sequence, first)
		}
		if s.sequence > state.LastSeq+1 {
			return fmt.Errorf("%w: %s ends at %d, and %d was asked for; the position is of another stream: begin with Snapshot or FromBeginning",
				ErrAhead, stream, state.LastSeq, s.sequence)
		}
	}
	return nil
}
