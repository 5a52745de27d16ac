package event_test

import (
	"bytes"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// A usual webhook has 2 KB.
const sealedSize = 2 << 10

// BenchmarkEncode makes the message of an event, envelope and all.
func BenchmarkEncode(b *testing.B) {
	w := webhook()
	w.Sealed = bytes.Repeat([]byte("x"), sealedSize)
	v := event.NewVerification(checkID, verification.Step, fullChange())
	for name, envelope := range map[string]func() (cloudevents.Event, error){
		"webhook":      w.Envelope,
		"verification": func() (cloudevents.Event, error) { return v.Envelope("test", "awaiting_review", "") },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e, err := envelope()
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := event.Encode(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
