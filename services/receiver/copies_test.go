package receiver

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/provider/treezor"
)

// TestOneBodyUnderTwoNames posts one body to two URLs of a provider whose URLs name the event:
// both deliveries are stored, since the lifecycle chooses between them.
func TestOneBodyUnderTwoNames(t *testing.T) {
	b := startBroker(t)
	p := idenfy.Provider
	r := start(t, only(p.Name, func(*Served) {}), b.site())
	sample := sampleOf(t, &p, "id_verification_auto_finish.approved")
	auto := sign(t, &p, "ID VERIFICATION AUTO FINISH", sample.body, testSecret)
	manual := sign(t, &p, "ID VERIFICATION MANUAL FINISH", sample.body, testSecret)
	first, second := r.post(t, p.Name, auto), r.post(t, p.Name, manual)
	first.want(t, http.StatusOK, "accepted")
	second.want(t, http.StatusOK, "accepted")
	if first.ID != second.ID {
		t.Errorf("one body has the ids %s and %s", first.ID, second.ID)
	}
	r.post(t, p.Name, manual).want(t, http.StatusOK, "duplicate")
}

// TestLargeUnsignedBody holds back what a stranger could fill the held deliveries with.
func TestLargeUnsignedBody(t *testing.T) {
	b := startBroker(t)
	p := treezor.Provider
	r := start(t, only(p.Name, func(*Served) {}), b.site())
	large := []byte(`{"Type":"` + strings.Repeat("x", heldLimit) + `"}`)
	r.post(t, p.Name, provider.Signed{Body: large}).want(t, http.StatusRequestEntityTooLarge, "too_large")
}

// TestTraceOfTheSender sees to it that what a sender says of traces stays at the edge.
func TestTraceOfTheSender(t *testing.T) {
	b := startBroker(t)
	p := idenfy.Provider
	r := start(t, only(p.Name, func(*Served) {}), b.site())
	sample := sampleOf(t, &p, "id_verification_auto_finish.approved")
	signed := sign(t, &p, sample.event, sample.body, testSecret)
	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	signed.Header["traceparent"] = "00-" + parent + "-00f067aa0ba902b7-01"
	signed.Header["tracestate"] = "vendor=someone@example.com"
	r.post(t, p.Name, signed).want(t, http.StatusOK, "accepted")
	for _, m := range b.messages(t, bus.Webhooks) {
		for name, values := range m.Header {
			for _, value := range values {
				if bytes.Contains([]byte(value), []byte("someone")) || strings.Contains(value, parent) {
					t.Errorf("header %s holds what the sender chose: %s", name, value)
				}
			}
		}
	}
}
