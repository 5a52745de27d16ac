package bench

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
)

const testSecret = "bench-test-secret"

// testProvider is the one whose webhooks are sent by default.
func testProvider(t testing.TB) *provider.Provider {
	t.Helper()
	for _, p := range all.Providers() {
		if p.Name == "idenfy" {
			return &p
		}
	}
	t.Fatal("there is no such provider")
	return nil
}

func testWebhooks(t testing.TB) *webhooks {
	t.Helper()
	w, err := newWebhooks(testProvider(t), testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Every webhook is one that the provider might have sent: its signature is good, and it decides
// about a verification that no other one tells of.
func TestWebhooksAreTheProviders(t *testing.T) {
	w := testWebhooks(t)
	seen := map[string]bool{}
	for _, writer := range []*writer{w.newWriter(), w.newWriter()} {
		for range 12 {
			number, text, err := writer.next()
			if err != nil {
				t.Fatal(err)
			}
			request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(request.Body)
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := w.provider.Verify(provider.Request{
				Segment: path.Base(request.URL.Path), Header: request.Header.Get, Body: body, Secrets: []string{testSecret},
			})
			if err != nil || receipt.Family != provider.FamilyVerification {
				t.Fatalf("receipt %+v, error %v", receipt, err)
			}
			decoded, err := w.provider.Decode(provider.Delivery{Event: receipt.Event, Body: body})
			if err != nil || len(decoded.Elements) != 1 {
				t.Fatalf("decoded %+v, error %v", decoded, err)
			}
			one := decoded.Elements[0]
			id := w.provider.Name + "/" + one.Kind + "/" + one.Reference
			if id != w.id(number) || seen[id] {
				t.Errorf("webhook %d tells of %s, seen before: %t; want %s", number, id, seen[id], w.id(number))
			}
			seen[id] = true
			if got, ok := w.numberOf(id); !ok || got != number {
				t.Errorf("the number in %s is %d, %t; want %d", id, got, ok, number)
			}
			kind, _ := w.provider.Kind(one.Kind)
			if row, ok := kind.Row(one.Signal.Says); !ok || !row.Status.Final() {
				t.Errorf("it says %s, which does not decide", one.Signal.Says)
			}
		}
	}
}

func TestNumbersOfOthersAreNotOurs(t *testing.T) {
	w := testWebhooks(t)
	for _, id := range []string{"", "idenfy/id_verification/0000000001", strings.TrimRight(w.id(1), "0123456789"), w.id(1) + "x"} {
		if number, ok := w.numberOf(id); ok {
			t.Errorf("%q is webhook %d", id, number)
		}
	}
}

// Bodies are of the size that webhooks have: the figures are given for it.
func TestBodiesHaveTwoKilobytes(t *testing.T) {
	if n := len(testWebhooks(t).body); n < 2000 || n > 2300 {
		t.Errorf("a body has %d bytes", n)
	}
}

func TestAProviderThatSignsOtherwiseIsRefused(t *testing.T) {
	for _, p := range all.Providers() {
		s := p.Scheme
		able := s.Header != "" && s.Algorithm == provider.HMACSHA256 && s.Encoding == provider.LowerHex
		if _, err := newWebhooks(&p, testSecret); (err == nil) && !able {
			t.Errorf("webhooks of %s are made", p.Name)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	w := testWebhooks(b).newWriter()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := w.next(); err != nil {
			b.Fatal(err)
		}
	}
}
