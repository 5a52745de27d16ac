package providertest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// events checks how webhooks are named, and that unlisted and unhandled ones have an outcome.
func (s *suite) events(t *testing.T) {
	for _, sample := range s.samples {
		t.Run(sample.name, func(t *testing.T) {
			signed := s.signed(t, sample.event.Name, sample.body, secret)
			receipt := s.accepted(t, request(signed, secret), 0)
			if want := s.Token(sample.event.Name); receipt.Event != want || receipt.Family != provider.FamilyVerification {
				t.Errorf("event %s of family %d, want %s", receipt.Event, receipt.Family, want)
			}
			if sample.event.Segment != "" {
				s.unknownSegment(t, signed)
			} else {
				s.unlisted(t, sample)
			}
			s.unhandled(t, provider.EventOther, signed.Body)
			for _, e := range s.Events {
				if e.Unhandled {
					s.unhandled(t, s.Token(e.Name), signed.Body)
				}
			}
		})
	}
	if _, err := s.Sign("no such event", s.samples[0].body, secret); err == nil {
		t.Error("an event that is not listed was signed")
	}
}

// unlisted renames the event of a sample to one that nobody listed.
func (s *suite) unlisted(t *testing.T, sample sample) {
	body := parsed(t, sample.body)
	renamed := 0
	walk(body, func(n node) {
		if n.value == sample.event.Name {
			n.set(sample.event.Name + "_unheard")
			renamed++
		}
	})
	if renamed == 0 {
		t.Fatal("the sample does not name its event")
	}
	signed := s.signed(t, sample.event.Name, encoded(t, body), secret)
	receipt := s.accepted(t, request(signed, secret), 0)
	if receipt.Event != provider.EventOther || receipt.Family != provider.FamilyVerification {
		t.Errorf("unlisted event is %s of family %d, want %s", receipt.Event, receipt.Family, provider.EventOther)
	}
}

// unknownSegment posts to a URL that nobody configured: it counts as the bare one.
func (s *suite) unknownSegment(t *testing.T, signed provider.Signed) {
	bare, unknown := signed, signed
	bare.Path, unknown.Path = "", "/unheard"
	want := s.accepted(t, request(bare, secret), 0)
	if diff := cmp.Diff(want, s.accepted(t, request(unknown, secret), 0)); diff != "" {
		t.Errorf("unknown segment is not the bare URL (-bare +unknown):\n%s", diff)
	}
}

func (s *suite) unhandled(t *testing.T, token string, body []byte) {
	t.Helper()
	if _, err := s.Decode(provider.Delivery{Event: token, Body: body}); !errors.Is(err, provider.ErrUnhandled) {
		t.Errorf("decode as %s: %v, want %v", token, err, provider.ErrUnhandled)
	}
}
