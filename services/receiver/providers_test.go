package receiver

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/provider/kycaid"
	"github.com/verdict-stream/verdict/pkg/provider/treezor"
	"github.com/verdict-stream/verdict/pkg/provider/yousign"
)

const (
	testSecret  = "5d8e1f60c2b94a7733f0e9b18c64a2d5"
	wrongSecret = "a9137bce50d84f62e1c7063fd2b8954e"
)

// testBudget is long enough for a machine that does other things.
const testBudget = time.Minute

// providers are all that the tests serve; the receiver itself is told.
func providers() []provider.Provider {
	all := []provider.Provider{yousign.Provider, idenfy.Provider, kycaid.Provider, treezor.Provider}
	for i := range all {
		all[i].Budget = testBudget
	}
	return all
}

func served() []Served {
	var all []Served
	for _, p := range providers() {
		all = append(all, Served{Provider: p, Secrets: []string{testSecret}})
	}
	return all
}

// only serves one provider with what change makes of it.
func only(name string, change func(*Served)) []Served {
	for _, s := range served() {
		if s.Provider.Name == name {
			change(&s)
			return []Served{s}
		}
	}
	return nil
}

// sample is a payload of a provider's folder.
type sample struct {
	name  string
	event string // the provider's spelling
	body  []byte
}

func samples(t testing.TB, p *provider.Provider) []sample {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("../../pkg/provider", p.Name, "samples/*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("provider %s has no samples: %v", p.Name, err)
	}
	var all []sample
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		token, _, _ := strings.Cut(name, ".")
		for _, e := range p.Events {
			if provider.Token(e.Name) == token {
				all = append(all, sample{name: name, event: e.Name, body: body})
			}
		}
	}
	return all
}

func sampleOf(t testing.TB, p *provider.Provider, name string) sample {
	t.Helper()
	for _, s := range samples(t, p) {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("provider %s has no sample %s", p.Name, name)
	return sample{}
}

func sign(t testing.TB, p *provider.Provider, event string, body []byte, secret string) provider.Signed {
	t.Helper()
	signed, err := p.Sign(event, body, secret)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// unsigned takes the signature away, wherever it is.
func unsigned(signed provider.Signed) provider.Signed {
	return provider.Signed{Path: signed.Path, Body: bytes.Replace(signed.Body, []byte(`"object_payload_signature"`), []byte(`"nothing"`), 1)}
}
