package projector

import (
	"fmt"
	"strings"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/provider/yousign"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// batch are messages that wait, and the sequence of the last one of their stream.
type batch struct {
	messages []bus.Message
	last     uint64
}

// batched is the stream of a subject, where it takes batches.
func batched(subject string) string {
	for prefix, stream := range map[string]string{
		"kyc.webhook.": bus.Webhooks, "kyc.v1.": bus.Verifications, "kyc.sandbox.": bus.Sandbox, "kyc.outcome.": bus.Outcomes,
	} {
		if strings.HasPrefix(subject, prefix) {
			return stream
		}
	}
	return ""
}

// wait has a message wait for others, and returns the sequence that it will have. Nobody else may publish meanwhile.
func (w *world) wait(stream string, m bus.Message) uint64 {
	w.t.Helper()
	b := w.batches[stream]
	if b == nil {
		state, err := w.bus.StreamState(w.t.Context(), stream)
		if err != nil {
			w.t.Fatal(err)
		}
		b = &batch{last: state.LastSeq}
		w.batches[stream] = b
	}
	b.messages = append(b.messages, m)
	b.last++
	seq := b.last
	if len(b.messages) == bus.MaxBatch {
		w.flush()
	}
	return seq
}

// flush publishes what waits, the deliveries first.
func (w *world) flush() {
	w.t.Helper()
	for _, stream := range []string{bus.Webhooks, bus.Verifications, bus.Sandbox, bus.Outcomes} {
		b := w.batches[stream]
		if b == nil || len(b.messages) == 0 {
			continue
		}
		last, err := w.bus.PublishBatch(w.t.Context(), b.messages, bus.Fence{})
		if err != nil || last != b.last {
			w.t.Fatalf("%s: the last of a batch is %d, want %d, error %v", stream, last, b.last, err)
		}
		b.messages = nil
	}
}

// inBatches has do publish many messages.
func (w *world) inBatches(do func()) {
	w.t.Helper()
	w.batches = map[string]*batch{}
	do()
	w.flush()
	w.batches = nil
}

// many tells of so many verifications: most are decided in two steps, some are anonymized, some of the sandbox, and some deliveries end
// without an event.
func (w *world) many(name string, count int) {
	w.t.Helper()
	w.inBatches(func() {
		for i := range count {
			id := fmt.Sprintf("%s-%d", name, i)
			w.tell(&idenfy.Provider, autoFinish, scan(id, false, 60, "APPROVED", "Ada"))
			last := w.tell(&idenfy.Provider, manualFinish, scan(id, true, 90, "DENIED", "Grace"))
			switch i % 8 {
			case 1:
				w.outcome(w.receive(&idenfy.Provider, manualFinish, scan(id, true, 90, "DENIED", "Grace")), event.Repeat)
			case 2:
				w.anonymize(verification.NewID("idenfy", "id_verification", id), last)
			case 3:
				w.tell(&yousign.Provider, documentDone, document(id, "verified", true, false))
			case 4:
				w.outcome(w.receive(&idenfy.Provider, autoFinish, `{"clientId":"`+id+`"}`), event.Unhandled)
			case 5:
				w.receive(&idenfy.Provider, autoFinish, scan(id+"-waits", true, 60, "APPROVED", "Ada"))
			}
		}
	})
}
