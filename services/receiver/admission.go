package receiver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

// readTimeout bounds how long a body may take to arrive: it has a place meanwhile that others
// wait for.
const readTimeout = 2 * time.Second

// The bounds of one provider's endpoint. Together they keep at most
// maxInFlight*smallBody + maxLarge*bodyLimit = 48 MiB of bodies in memory.
const (
	// bodyLimit is the size of the largest body that is taken.
	bodyLimit = 2 << 20
	// smallBody is what a body may have without waiting for one of the places for large ones.
	// Webhooks without images are far below.
	smallBody = 64 << 10
	// maxInFlight is how many requests are read, verified and stored at a time.
	maxInFlight = 512
	// maxLarge is how many of them may have a large body.
	maxLarge = 8
	// maxWaiting is how many requests wait for one of those places; more get a 503 at once. One
	// that waits holds no more than its connection does anyway.
	maxWaiting = 2048
)

var (
	// errBusy means that there was no place for the request within its budget.
	errBusy = errors.New("too many requests in flight")
	// errTooLarge means that the body is over the limit.
	errTooLarge = errors.New("body is over the limit")
	// errUnknownLimit means that the broker, which has not been reached yet, may take the body or not.
	errUnknownLimit = errors.New("body is larger than what every broker takes")
)

// admission bounds the requests in flight and the bytes of their bodies, before a byte of a
// body is read. A large body takes its place as soon as it is larger than a small one, whatever
// length it announced, so that an announcement alone takes nothing.
type admission struct {
	inFlight chan struct{}
	waiting  chan struct{}
	large    chan struct{}
}

func newAdmission() *admission {
	return &admission{
		inFlight: make(chan struct{}, maxInFlight),
		waiting:  make(chan struct{}, maxWaiting),
		large:    make(chan struct{}, maxLarge),
	}
}

// enter waits for a place until ctx ends, and returns what gives it back, or errBusy.
func (a *admission) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-a.inFlight }
	select {
	case a.inFlight <- struct{}{}:
		return leave, nil
	default:
	}
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return nil, errBusy
	}
	select {
	case a.inFlight <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}

// read returns a body of at most limit bytes and what gives back its place, which is never
// nil. Errors: errTooLarge with what was read so far, errBusy, and those of src.
func (a *admission) read(ctx context.Context, src io.Reader, announced, limit int64) (body []byte, leave func(), err error) {
	leave = func() {}
	var buffer bytes.Buffer
	buffer.Grow(int(min(max(announced, 0), smallBody)) + bytes.MinRead)
	small := min(limit+1, smallBody)
	n, err := buffer.ReadFrom(io.LimitReader(src, small))
	if err == nil && n == smallBody {
		select {
		case a.large <- struct{}{}:
			leave = func() { <-a.large }
		case <-ctx.Done():
			return nil, leave, errBusy
		}
		_, err = buffer.ReadFrom(io.LimitReader(src, limit+1-small))
	}
	if err == nil && int64(buffer.Len()) > limit {
		err = errTooLarge
	}
	return buffer.Bytes(), leave, err
}
