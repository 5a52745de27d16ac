package receiver

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// maxKnown bounds the keys that a window remembers, at some 80 bytes each. Beyond it the oldest
// are forgotten before their time: their repeats go on to the stream, which drops them.
const maxKnown = 1_000_000

var errNotStored = errors.New("the webhook was not stored")

// window remembers which webhooks are durable, so that one that comes again is recognised
// without asking the broker, and sees to it that equal ones in flight are stored once.
//
// A key is remembered from when its webhook is being stored until the deduplication window
// after it was published, which is when the stream forgets it too.
type window struct {
	lasts time.Duration
	limit int

	mu      sync.Mutex
	storing map[digest]*attempt
	// durable holds when each key was published, the zero time where it was not yet.
	durable map[digest]time.Time
	// forget lists what was published, in that order.
	forget []published
}

// digest stands for a key. It is long enough that no two keys with one can be found.
type digest [16]byte

func digestOf(key string) digest {
	sum := sha256.Sum256([]byte(key))
	return digest(sum[:16])
}

type published struct {
	key digest
	at  time.Time
}

// attempt is a webhook that is being stored. What came of it is read after done is closed.
type attempt struct {
	done chan struct{}
	err  error
}

func newWindow(lasts time.Duration) *window {
	return &window{lasts: lasts, limit: maxKnown, storing: map[digest]*attempt{}, durable: map[digest]time.Time{}}
}

// once stores a webhook, unless it is durable or being stored by another: then it waits for the
// other's end and returns its error. It tells whether the webhook was a duplicate.
func (w *window) once(ctx context.Context, key string, store func() (duplicate bool, err error)) (duplicate bool, err error) {
	d := digestOf(key)
	w.mu.Lock()
	w.expire(time.Now())
	if _, known := w.durable[d]; known {
		w.mu.Unlock()
		return true, nil
	}
	if other := w.storing[d]; other != nil {
		w.mu.Unlock()
		select {
		case <-other.done:
			return true, other.err
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	mine := &attempt{done: make(chan struct{}), err: errNotStored}
	w.storing[d] = mine
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.storing, d)
		if _, already := w.durable[d]; mine.err == nil && !already {
			w.durable[d] = time.Time{}
		}
		w.mu.Unlock()
		close(mine.done)
	}()
	duplicate, mine.err = store()
	return duplicate, mine.err
}

// know remembers keys whose webhooks are durable and wait to be published.
func (w *window) know(keys ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keys {
		w.durable[digestOf(key)] = time.Time{}
	}
}

// published lets the time of keys begin whose webhooks the stream got at the given time.
func (w *window) published(at time.Time, keys ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keys {
		d := digestOf(key)
		w.durable[d] = at
		w.forget = append(w.forget, published{d, at})
	}
	w.expire(time.Now())
}

// expire forgets what the stream has forgotten, and the oldest where there are too many.
func (w *window) expire(now time.Time) {
	n := 0
	for _, p := range w.forget {
		if now.Sub(p.at) <= w.lasts && len(w.durable) <= w.limit {
			break
		}
		if w.durable[p.key].Equal(p.at) {
			delete(w.durable, p.key)
		}
		n++
	}
	w.forget = w.forget[n:]
}
