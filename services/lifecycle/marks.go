package lifecycle

import (
	"context"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/failpoint"
)

// mark says that the stream holds the rows of the outbox up to one, the last of them at a position.
type mark struct {
	through  int64
	position uint64
}

// marks is what the state has yet to record. A later mark says all that an earlier one does, so
// that one waits at the most.
type marks struct {
	wake chan struct{}
	mu   sync.Mutex
	next *mark
	// recording is held while a mark is recorded, and while the stream is read: events whose rows
	// go meanwhile would be taken for somebody else's.
	recording sync.Mutex
}

func (m *marks) put(next mark) {
	m.mu.Lock()
	m.next = &next
	m.mu.Unlock()
	m.wakeUp()
}

func (m *marks) wakeUp() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *marks) take() *mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.next
	m.next = nil
	return taken
}

// giveBack keeps a mark that could not be recorded, unless a later one has come.
func (m *marks) giveBack(taken *mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		m.next = taken
	}
}

// markRetry is between two attempts to record a mark while the database is away.
const markRetry = 500 * time.Millisecond

// keepMarks records what is published until ctx ends. It shares the transactions of what is
// handled meanwhile. An error is one that ends the worker.
func (o *outbox) keepMarks(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.marks.wake:
		}
		err := o.record(ctx)
		if final(err) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			o.alarm.WarnContext(ctx, "what is published is not recorded", "stream", o.stream, "error", err)
			time.AfterFunc(markRetry, o.marks.wakeUp)
		}
	}
}

// record records the mark that waits, if one does.
func (o *outbox) record(ctx context.Context) error {
	o.marks.recording.Lock()
	defer o.marks.recording.Unlock()
	next := o.marks.take()
	if next == nil {
		return nil
	}
	if err := o.state.MarkPublished(ctx, o.stream, next.through, next.position); err != nil {
		o.marks.giveBack(next)
		return err
	}
	failpoint.Hit(failpoint.LifecycleMarked)
	return nil
}
