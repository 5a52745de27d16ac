package event_test

import (
	"bytes"
	"testing"

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
	for name, encode := range map[string]func() (map[string][]string, []byte, error){
		"webhook":      w.Encode,
		"verification": func() (map[string][]string, []byte, error) { return v.Encode("test", "awaiting_review", "") },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppendStructured writes the line of an event.
func BenchmarkAppendStructured(b *testing.B) {
	v := event.NewVerification(checkID, verification.Step, fullChange())
	header, data, err := v.Encode("test", "approved", traceparent)
	if err != nil {
		b.Fatal(err)
	}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		if line, err = event.AppendStructured(line[:0], header, data, "late-team"); err != nil {
			b.Fatal(err)
		}
	}
}
