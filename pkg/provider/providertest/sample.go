package providertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// sample is one documented webhook body.
type sample struct {
	name  string // of the file, without .json
	event provider.Event
	body  []byte
}

// sampled reads the samples and checks that no handled event is without one.
func (s *suite) sampled(t *testing.T) {
	s.samples = samples(t, s.Provider, s.folder)
	with := map[string]bool{}
	for _, sample := range s.samples {
		with[sample.event.Name] = true
	}
	for _, e := range s.Events {
		if !e.Unhandled && !with[e.Name] {
			t.Errorf("event %q has no sample", e.Name)
		}
	}
	if example, ok := eventOf(s.Provider, s.Token(s.Example.Event)); !ok || example.Unhandled || len(s.Example.Body) == 0 {
		t.Error("the example is no body of a handled event")
	}
}

// samples reads the samples of a folder.
func samples(t testing.TB, p *provider.Provider, folder string) []sample {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "samples", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatal("the folder has no samples")
	}
	var all []sample
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		token, _, _ := strings.Cut(name, ".")
		event, ok := eventOf(p, token)
		if !ok {
			t.Fatalf("sample %s begins with no token of an event", name)
		}
		all = append(all, sample{name: name, event: event, body: body})
	}
	return all
}

func eventOf(p *provider.Provider, token string) (provider.Event, bool) {
	for _, e := range p.Events {
		if provider.Token(e.Name) == token {
			return e, true
		}
	}
	return provider.Event{}, false
}

// The secrets of the suite. The first is the newest.
const (
	secret        = "4b1f0c7de2a95386d01e77ab93c4f258"
	olderSecret   = "e7d2a4906bcf1835fa0e2d9964c8b713"
	foreignSecret = "0d93be6a417c25f8a6510fd3e28b9c47"
)

// signed is a webhook as the provider would post it.
func (s *suite) signed(t *testing.T, event string, body []byte, secret string) provider.Signed {
	t.Helper()
	signed, err := s.Sign(event, body, secret)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signed
}

// request is the posted webhook as the receiver hands it on. Header names are looked up
// without regard to case.
func request(signed provider.Signed, secrets ...string) provider.Request {
	return provider.Request{
		Segment: strings.TrimPrefix(signed.Path, "/"),
		Header: func(name string) string {
			for n, value := range signed.Header {
				if strings.EqualFold(n, name) {
					return value
				}
			}
			return ""
		},
		Body:    signed.Body,
		Secrets: secrets,
	}
}
