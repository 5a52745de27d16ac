package bus

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrUnavailable means that the broker, or whatever a handler wraps this error around, cannot be used now. Nothing is known about what was under way:
	// a publish that ended so may have been stored. The same call may succeed later.
	ErrUnavailable = errors.New("unavailable")
	// ErrConflict means that the fence of a batch did not hold: the last message on its subjects is another one. Nothing was stored.
	ErrConflict = errors.New("wrong last sequence")
	// ErrDuplicate means that a message id of a batch is already in the stream's deduplication window. Nothing of the batch was stored now.
	ErrDuplicate = errors.New("duplicate message id")
	// ErrRejected means that these messages can never be stored as they are. Nothing was stored.
	ErrRejected = errors.New("rejected by the stream")
	// ErrNotFound means that there is no such message, any more or yet.
	ErrNotFound = errors.New("message not found")
)

// Codes of the broker's errors that its client has no name for.
const (
	codeResourcesExceeded jetstream.ErrorCode = 10002
	codeInvalidStream     jetstream.ErrorCode = 10052
	codeIncompleteBatch   jetstream.ErrorCode = 10176
	codeDuplicateInBatch  jetstream.ErrorCode = 10201
)

// classify wraps err in the one sentinel of this package that tells the caller what to do.
// What is not known is ErrUnavailable: the caller looks at the stream and tries again.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRejected), errors.Is(err, ErrConflict), errors.Is(err, ErrDuplicate), errors.Is(err, ErrNotFound), errors.Is(err, ErrUnavailable):
		return err
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrBadSubject):
		return fmt.Errorf("%w: %w", ErrRejected, err)
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch api.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case codeDuplicateInBatch:
		return fmt.Errorf("%w: %w", ErrDuplicate, err)
	case codeInvalidStream:
		// The broker calls this a failure of its own.
		return fmt.Errorf("%w: %w", ErrRejected, err)
	case codeIncompleteBatch, codeResourcesExceeded:
		// The broker calls these bad requests, but they come from what it lost or has no room for.
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if api.Code == http.StatusBadRequest {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Causes of dead letters that this package gives by itself.
const (
	CauseAttemptsExhausted = "attempts_exhausted"
	CauseUnknown           = "unknown"
)

var causePattern = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

type permanentError struct {
	cause string
	err   error
}

func (e *permanentError) Error() string { return e.cause + ": " + e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent tells the consumer that no further attempt can succeed: the message goes to the dead letters at once.
// The cause is a word of a closed list, `^[a-z0-9_]{1,64}$`; anything else becomes CauseUnknown. The text of err goes to the dead letter
// and the log, so it must hold no personal data.
func Permanent(cause string, err error) error {
	if !causePattern.MatchString(cause) {
		cause = CauseUnknown
	}
	return &permanentError{cause: cause, err: err}
}

// PermanentCause returns the cause of an error made by Permanent, however deeply wrapped.
func PermanentCause(err error) (string, bool) {
	var permanent *permanentError
	if !errors.As(err, &permanent) {
		return "", false
	}
	return permanent.cause, true
}
