package all_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
)

const benchSecret = "bench-secret"

// example is the example of a provider, signed.
func example(b *testing.B, p *provider.Provider) provider.Request {
	b.Helper()
	signed, err := p.Sign(p.Example.Event, p.Example.Body, benchSecret)
	if err != nil {
		b.Fatal(err)
	}
	header := http.Header{}
	for name, value := range signed.Header {
		header.Set(name, value)
	}
	return provider.Request{
		Segment: strings.TrimPrefix(signed.Path, "/"), Header: header.Get, Body: signed.Body, Secrets: []string{benchSecret},
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, p := range all.Providers() {
		b.Run(p.Name, func(b *testing.B) {
			request := example(b, &p)
			b.SetBytes(int64(len(request.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Verify(request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, p := range all.Providers() {
		b.Run(p.Name, func(b *testing.B) {
			request := example(b, &p)
			receipt, err := p.Verify(request)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(request.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Decode(provider.Delivery{Event: receipt.Event, Body: request.Body}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
