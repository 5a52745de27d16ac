package main

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

const (
	// senders is how many webhooks are on their way at once.
	senders = 4
	// loadSize is how many verifications are told of in all, with two webhooks each.
	loadSize = 200
	// stops is how often everything is stopped meanwhile.
	stops = 2
)

// What is stopped under load, or ends as in a power failure, and is started again loses nothing
// and doubles nothing.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		for name, halt := range map[string]func(*installation) error{"stop": (*installation).stop, "kill": (*installation).kill} {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				in := startInstallation(t, f)
				must(t, in.start())
				traffic := startTraffic(in, loadSize)
				for i := range stops {
					traffic.awaitProgress((i + 1) * loadSize / (stops + 1))
					must(t, halt(in))
					must(t, in.start())
				}
				must(t, traffic.wait())
				must(t, in.account())
				must(t, allApproved(in, loadSize))
				must(t, in.stop())
			})
		}
	}
}

// startInstallation makes an installation that ends with the test.
func startInstallation(t testing.TB, f form) *installation {
	t.Helper()
	in, err := newInstallation(t, f, t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, in.kill()) })
	return in
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// traffic is many verifications that several senders tell of: each begins with a preliminary
// result and ends approved.
type traffic struct {
	work    chan int
	senders sync.WaitGroup
	mu      sync.Mutex
	moved   *sync.Cond
	done    int
	err     error
}

func startTraffic(in *installation, size int) *traffic {
	l := &traffic{work: make(chan int, size)}
	l.moved = sync.NewCond(&l.mu)
	for i := range size {
		l.work <- i
	}
	close(l.work)
	for range senders {
		l.senders.Go(func() {
			for i := range l.work {
				err := tell(in, i)
				l.mu.Lock()
				l.done++
				l.err = errors.Join(l.err, err)
				l.moved.Broadcast()
				l.mu.Unlock()
			}
		})
	}
	return l
}

// tell delivers the webhooks of one verification.
func tell(in *installation, i int) error {
	for _, sample := range []string{"id_verification_auto_finish.preliminary", "id_verification_manual_finish.approved"} {
		w, err := newWebhook("idenfy", sample, fmt.Sprintf("scanRef=load-%d", i))
		if err != nil {
			return err
		}
		if err := in.deliver(w); err != nil {
			return err
		}
	}
	return nil
}

// awaitProgress returns once so many verifications have been told of.
func (l *traffic) awaitProgress(count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.done < count {
		l.moved.Wait()
	}
}

// wait returns once every webhook has been taken.
func (l *traffic) wait() error {
	l.senders.Wait()
	return l.err
}

// allApproved checks that a load has come to its end.
func allApproved(in *installation, size int) error {
	rows, err := pages[fact](in, "/v1/verifications?provider=idenfy&status=approved&limit=500")
	approved := map[string]bool{} // One may be on two pages.
	for _, r := range rows {
		approved[r.ID] = true
	}
	if err == nil && len(approved) != size {
		err = fmt.Errorf("%d of %d verifications are approved", len(approved), size)
	}
	return err
}
