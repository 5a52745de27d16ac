package providertest

import (
	"errors"
	"regexp"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

var deliveryID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// FuzzVerify looks for a request that makes the provider's Verify panic, accept what nobody
// signed, or return something outside the contract; and for a signed body that the edge names
// otherwise than it is decoded. The seeds are the folder's samples.
func FuzzVerify(f *testing.F, p provider.Provider) {
	s := suite{Provider: &p, samples: samples(f, &p, ".")}
	for _, sample := range s.samples {
		signed, err := s.Sign(sample.event.Name, sample.body, secret)
		if err != nil {
			f.Fatal(err)
		}
		header := ""
		for _, value := range signed.Header {
			header = value
		}
		f.Add(sample.event.Segment, header, signed.Body)
		f.Add("", "", sample.body)
	}
	f.Fuzz(func(t *testing.T, segment, header string, body []byte) {
		s.namedAsDecoded(t, segment, body)
		r := provider.Request{
			Segment: segment, Body: body,
			Header:  func(string) string { return header },
			Secrets: []string{secret, olderSecret},
		}
		receipt, err := s.Verify(r)
		if err != nil {
			if !errors.Is(err, provider.ErrMissingSignature) && !errors.Is(err, provider.ErrBadSignature) {
				t.Errorf("verify: %v", err)
			}
			return
		}
		s.validReceipt(t, receipt)
		r.Secrets = []string{foreignSecret}
		if _, err := s.Verify(r); receipt.Secret >= 0 && err == nil {
			t.Error("any secret verifies")
		}
	})
}

// namedAsDecoded signs a body, since hardly any other one gets past the signature, and holds the
// event that the edge gives it to what the decoder makes of the same body.
func (s *suite) namedAsDecoded(t *testing.T, segment string, body []byte) {
	signed, err := s.Sign(s.Events[0].Name, body, secret)
	if err != nil {
		return // what is signed is within the body, and this one has no place for it
	}
	r := request(signed, secret)
	r.Segment = segment
	receipt, err := s.Verify(r)
	if err != nil {
		if !errors.Is(err, provider.ErrMissingSignature) && !errors.Is(err, provider.ErrBadSignature) {
			t.Errorf("verify: %v", err)
		}
		return
	}
	s.validReceipt(t, receipt)
	var unreadable *provider.DecodeError
	_, err = s.decode(t, receipt.Event, signed.Body)
	cannot := errors.As(err, &unreadable)
	switch {
	case receipt.Event == provider.EventUndecodable && !cannot:
		t.Errorf("the edge cannot read a body, of which the decoder says %v: %q", err, signed.Body)
	case receipt.Event == provider.EventOther && !errors.Is(err, provider.ErrUnhandled):
		t.Errorf("the edge does not know a body, of which the decoder says %v: %q", err, signed.Body)
	case receipt.Event != provider.EventUndecodable && cannot && (unreadable.Cause == provider.CauseInvalidJSON || unreadable.Cause == provider.CauseInvalidUTF8):
		t.Errorf("the edge has read a body as %s, of which the decoder says %v: %q", receipt.Event, err, signed.Body)
	}
}

// FuzzDecode looks for a body that makes the provider's Decode panic or return something
// outside the contract. The seeds are the folder's samples.
func FuzzDecode(f *testing.F, p provider.Provider) {
	s := suite{Provider: &p, samples: samples(f, &p, ".")}
	for _, sample := range s.samples {
		f.Add(s.Token(sample.event.Name), sample.body)
	}
	for _, body := range unreadable {
		if len(body) < tooDeep { // the fuzzer would spend its time on making the deep ones smaller
			f.Add(s.Token(s.Events[0].Name), body)
		}
	}
	f.Fuzz(func(t *testing.T, event string, body []byte) { _, _ = s.decode(t, event, body) })
}
