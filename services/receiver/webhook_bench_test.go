package receiver

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// waitingSenders is how many requests a busy receiver has at a time, for each processor.
const waitingSenders = 32

// BenchmarkWebhook takes distinct webhooks, many at once, from the request to the answer: each
// is verified, sealed and synced to the disk of an in-process broker.
func BenchmarkWebhook(b *testing.B) {
	broker := startBroker(b)
	r := broker.receiver(b, Config{Providers: served(), Logger: new(logBuffer).logger()})
	p := providers()[2]
	s := samples(b, &p)[0]
	var count atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(waitingSenders)
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
}
