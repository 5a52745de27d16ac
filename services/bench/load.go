package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// answerPatience is how long an answer may take before its request counts as stalled.
	answerPatience = 10 * time.Second
	// dialPause is between two attempts of one connection to be made.
	dialPause = 10 * time.Millisecond
	// answerSize is far above the answer to a webhook.
	answerSize = 8 << 10
)

// load sends webhooks over connections that are kept, and counts what becomes of each. It is
// the least that can speak HTTP, since it runs on the machine that is measured.
type load struct {
	addr        string
	webhooks    *webhooks
	connections int
	// duration is how long requests are begun, count how many at most; either may be 0, not both.
	duration time.Duration
	count    int
	// rate is how many requests a second are to be begun, whatever the answers: what they take
	// is counted from then. With 0 each connection sends as soon as it has its answer.
	rate float64
	// patience is answerPatience where it is 0.
	patience time.Duration
	// answered is called, if it is there, for each request that is taken, with when it was to be begun.
	answered func(number uint64, begun time.Time)
	// begins is called, if it is there, before a request is sent.
	begins func(number uint64, begun time.Time)
}

// run returns once every request has an outcome. When ctx ends no more are begun.
func (l load) run(ctx context.Context) (*tally, error) {
	if l.patience == 0 {
		l.patience = answerPatience
	}
	r := &running{load: l, tally: newTally(), start: time.Now()}
	r.end = r.start.Add(l.duration)
	cpu := ownCPU()
	var all sync.WaitGroup
	errs := make([]error, l.connections)
	for i := range l.connections {
		all.Go(func() { errs[i] = r.connection(ctx) })
	}
	all.Wait()
	if r.tally.ok() > 0 {
		r.tally.elapsed = r.tally.last.Sub(r.start)
	}
	r.tally.cpu = ownCPU() - cpu
	return r.tally, errors.Join(append(errs, ctx.Err())...)
}

type running struct {
	load
	tally      *tally
	start, end time.Time
	begun      atomic.Int64
}

// turn returns when the next request is to be begun, false where there is none.
func (r *running) turn(ctx context.Context) (time.Time, bool) {
	if ctx.Err() != nil {
		return time.Time{}, false
	}
	n := r.begun.Add(1) - 1
	if r.count > 0 && n >= int64(r.count) {
		return time.Time{}, false
	}
	at := time.Now()
	if r.rate > 0 {
		at = r.start.Add(time.Duration(float64(n) / r.rate * float64(time.Second)))
	}
	if r.duration > 0 && !at.Before(r.end) {
		return time.Time{}, false
	}
	if r.rate > 0 {
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			return time.Time{}, false
		}
	}
	return at, true
}

// connection sends one request after the other.
func (r *running) connection(ctx context.Context) error {
	w, answer := r.webhooks.newWriter(), make([]byte, answerSize)
	var conn net.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for {
		begun, ok := r.turn(ctx)
		if !ok {
			return nil
		}
		number, request, err := w.next()
		if err != nil {
			return err
		}
		if conn == nil {
			if conn, err = net.DialTimeout("tcp", r.addr, r.patience); err != nil {
				conn = nil
				r.tally.add(outcomeRefused, begun, time.Now(), r.end)
				time.Sleep(dialPause)
				continue
			}
		}
		if r.begins != nil {
			r.begins(number, begun)
		}
		outcome, again := r.exchange(conn, request, answer)
		r.tally.add(outcome, begun, time.Now(), r.end)
		if outcome == outcomeOK && r.answered != nil {
			r.answered(number, begun)
		}
		if !again {
			conn.Close()
			conn = nil
		}
	}
}

// exchange sends a request and reads its answer; again tells whether the connection may be used once more.
func (r *running) exchange(conn net.Conn, request, buffer []byte) (outcome string, again bool) {
	if err := conn.SetDeadline(time.Now().Add(r.patience)); err != nil {
		return outcomeClosed, false
	}
	if _, err := conn.Write(request); err != nil {
		return silence(err), false
	}
	for have := 0; have < len(buffer); {
		n, err := conn.Read(buffer[have:])
		have += n
		if given, complete, broken := parseAnswer(buffer[:have]); broken {
			return outcomeUnreadable, false
		} else if complete {
			return given.outcome(), !given.close
		}
		if err != nil {
			return silence(err), false
		}
	}
	return outcomeUnreadable, false
}

// silence names the outcome of a request that got no answer.
func silence(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return outcomeStalled
	}
	if errors.Is(err, io.EOF) {
		return outcomeClosed
	}
	return outcomeBroken
}
