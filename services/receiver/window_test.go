package receiver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var errDisk = errors.New("the disk is away")

// counting returns a function that stores, and counts how often it did.
func counting(n *int) func() (bool, error) {
	return func() (bool, error) {
		*n++
		return false, nil
	}
}

func once(t *testing.T, w *window, key string, wantDuplicate bool, store func() (bool, error)) {
	t.Helper()
	duplicate, err := w.once(t.Context(), key, store)
	if err != nil || duplicate != wantDuplicate {
		t.Errorf("%s: duplicate %v, error %v, want duplicate %v", key, duplicate, err, wantDuplicate)
	}
}

// TestWindowLasts remembers a webhook while it waits, and for the window after it was published.
func TestWindowLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := newWindow(time.Minute), 0
		once(t, w, "a", false, counting(&n))
		time.Sleep(time.Hour)
		once(t, w, "a", true, counting(&n))
		w.published(time.Now(), "a")
		time.Sleep(time.Minute)
		once(t, w, "a", true, counting(&n))
		time.Sleep(time.Nanosecond)
		once(t, w, "a", false, counting(&n))
		if n != 2 {
			t.Errorf("stored %d times, want 2", n)
		}
		// It waits again: what was published before does not end that.
		time.Sleep(time.Hour)
		once(t, w, "a", true, counting(&n))
		w.know("b")
		once(t, w, "b", true, counting(&n))
	})
}

// TestWindowJoins stores once what comes several times at a time.
func TestWindowJoins(t *testing.T) {
	for _, fails := range []error{nil, errDisk} {
		synctest.Test(t, func(t *testing.T) {
			w, n := newWindow(time.Minute), 0
			release := make(chan struct{})
			type answer struct {
				duplicate bool
				err       error
			}
			answers := make(chan answer, 3)
			for range 3 {
				go func() {
					duplicate, err := w.once(t.Context(), "a", func() (bool, error) {
						n++
						<-release
						return false, fails
					})
					answers <- answer{duplicate, err}
				}()
			}
			synctest.Wait()
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := w.once(ended, "a", counting(&n)); !errors.Is(err, context.Canceled) {
				t.Errorf("one who cannot wait: error %v", err)
			}
			close(release)
			duplicates := 0
			for range 3 {
				a := <-answers
				if !errors.Is(a.err, fails) {
					t.Errorf("error %v, want %v", a.err, fails)
				}
				if a.duplicate {
					duplicates++
				}
			}
			if n != 1 || duplicates != 2 {
				t.Errorf("stored %d times, with %d duplicates", n, duplicates)
			}
			// What was not stored is not remembered.
			once(t, w, "a", fails == nil, counting(&n))
		})
	}
}

// TestWindowIsBounded forgets the oldest first, and nothing that waits.
func TestWindowIsBounded(t *testing.T) {
	w, n := newWindow(time.Hour), 0
	w.limit = 10
	once(t, w, "waits", false, counting(&n))
	for i := range 20 {
		key := fmt.Sprint(i)
		once(t, w, key, false, counting(&n))
		w.published(time.Now(), key)
	}
	if len(w.durable) > w.limit || len(w.forget) > w.limit {
		t.Errorf("%d keys and %d that are published are remembered", len(w.durable), len(w.forget))
	}
	once(t, w, "19", true, counting(&n))
	once(t, w, "waits", true, counting(&n))
	once(t, w, "0", false, counting(&n))
}

// TestWindowPublishedFirst is told that a webhook is published before it knows that it is durable.
func TestWindowPublishedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(time.Minute)
		once(t, w, "a", false, func() (bool, error) {
			w.published(time.Now(), "a")
			return false, nil
		})
		time.Sleep(time.Minute + 1)
		once(t, w, "a", false, func() (bool, error) { return false, nil })
	})
}

// TestWindowPanic lets those who wait go.
func TestWindowPanic(t *testing.T) {
	w, n := newWindow(time.Minute), 0
	func() {
		defer func() { _ = recover() }()
		_, _ = w.once(t.Context(), "a", func() (bool, error) { panic("store") })
	}()
	once(t, w, "a", false, counting(&n))
}
