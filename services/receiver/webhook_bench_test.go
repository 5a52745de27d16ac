package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/spool"
)

// waitingSenders is how many requests a busy receiver has at a time, for each processor.
const waitingSenders = 32

// BenchmarkWebhook takes distinct webhooks, many at once, from the request to the answer: each
// is verified, sealed and synced to the disk, by an in-process broker or by the spool, whose
// relay publishes it to one meanwhile.
func BenchmarkWebhook(b *testing.B) {
	for _, mode := range []SpoolMode{SpoolOff, SpoolAlways} {
		b.Run("spool="+string(mode), func(b *testing.B) { benchmarkWebhook(b, mode) })
	}
}

func benchmarkWebhook(b *testing.B, mode SpoolMode) {
	broker := startBroker(b)
	config := Config{Providers: served(), Logger: new(logBuffer).logger(), Spool: mode}
	var r *receiver
	if mode == SpoolOff {
		r = broker.receiver(b, config)
	} else {
		r = broker.spooling(b, config)
	}
	p := providers()[2]
	s := samples(b, &p)[0]
	var count atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(waitingSenders)
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			body := fmt.Appendf(nil, `{"number":%d,%s`, count.Add(1), bytes.TrimPrefix(s.body, []byte("{")))
			signed := sign(b, &p, s.event, body, testSecret)
			request := httptest.NewRequest(http.MethodPost, "/webhooks/"+p.Name, bytes.NewReader(signed.Body))
			for name, value := range signed.Header {
				request.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			r.ServeHTTP(w, request)
			if w.Code != http.StatusOK || !bytes.HasSuffix(w.Body.Bytes(), []byte(`"status":"accepted"}`)) {
				b.Errorf("answer %d %s", w.Code, w.Body)
			}
		}
	})
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// spooling returns a receiver that does not listen, and answers from a spool that is emptied
// meanwhile.
func (b *broker) spooling(t testing.TB, config Config) *receiver {
	t.Helper()
	site := b.spooled(t, openSpool(t, b.dir, spool.Limits{}))
	config.Instance, config.DeduplicationWindow, config.Spool = "test", testWindow, site.mode
	config.Open, config.Connect = site.open, site.connect
	r, err := newReceiver(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.connect(t.Context()), r.openStores(t.Context())); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.publish(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		r.abort()
	})
	return r
}

// processorTime is what this process has used, which other processes do not distort as they do
// the time that passes.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
