package consume

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Why Run may end by itself. The text of an error says what to do.
var (
	// ErrTrimmed means that the stream does not reach back to where reading should begin: older events were archived, or have expired.
	ErrTrimmed = errors.New("the stream does not reach back that far")
	// ErrAhead means that the position is beyond the end of the stream: it is of another stream, or this one was restored from an older copy.
	ErrAhead = errors.New("the position is beyond the end of the stream")
	// ErrAnew means that the stream, or a Premade consumer, is not the one that the team's data is of: it was deleted and made anew.
	ErrAnew = errors.New("the stream was made anew")
	// ErrGone means that the consumer does not exist (any more), and with it the position.
	ErrGone = errors.New("there is no such consumer")
	// ErrUnfit means that a consumer of that name exists with settings under which events could be lost or would not come.
	ErrUnfit = errors.New("the consumer cannot be used")
	// ErrUndecodable is given to GiveUp for a message that is no event.
	ErrUndecodable = errors.New("not an event of a verification")
)

// errAway means that the same request may succeed later.
var errAway = errors.New("no answer")

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent tells that no further attempt can succeed: the event goes to GiveUp at once.
func Permanent(err error) error { return &permanentError{err} }

func isPermanent(err error) bool {
	var permanent *permanentError
	return errors.As(err, &permanent)
}

// classify finds out whether waiting can help.
func (r *run) classify(err error) error {
	var answered *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case r.config.Conn.IsClosed():
		return fmt.Errorf("the connection to the broker is closed: %w", nats.ErrConnectionClosed)
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return err
	case errors.As(err, &answered) && answered.Code == http.StatusBadRequest:
		return err
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(r.config.Conn.LastError(), nats.ErrPermissionViolation):
		return fmt.Errorf("the broker refuses the request (%w): have the account given the right, or, where somebody else makes the consumer, set Premade",
			r.config.Conn.LastError())
	}
	return fmt.Errorf("%w: %w", errAway, err)
}
