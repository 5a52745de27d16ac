package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// tooDeep is more than the parser's bound of 10000 levels.
const tooDeep = 11000

// tooLong is more digits or letters than any field has.
const tooLong = 400

// unreadable are bodies of which no provider can say anything.
var unreadable = map[string][]byte{
	"empty":         {},
	"blank":         []byte(" \n"),
	"null":          []byte("null"),
	"text":          []byte(`"text"`),
	"array":         []byte("[]"),
	"no JSON":       []byte("a=b&c=d"),
	"invalid UTF-8": []byte("{\"status\":\"\xff\xfe\"}"),
	"NUL bytes":     {0, 0, 0},
	"deep array":    []byte(strings.Repeat("[", tooDeep) + strings.Repeat("]", tooDeep)),
	"deep member":   []byte(`{"data":` + strings.Repeat(`{"data":`, tooDeep) + "1" + strings.Repeat("}", tooDeep) + "}"),
	"unclosed":      []byte(strings.Repeat("[", tooDeep)),
}

// wrong are values that no field has.
var wrong = []any{
	nil, true, "", "unheard of", "0", "-1", strings.Repeat("x", tooLong), "a\r\nb: c", "\x00", "../../kyc.v1.>",
	json.Number("1e999"), json.Number("-0.5"), json.Number(strings.Repeat("9", tooLong)), json.Number("-9223372036854775808"),
	map[string]any{},
	map[string]any{"a": []any{}},
	[]any{},
	[]any{nil},
	[]any{map[string]any{}},
	[]any{[]any{}, "a", "a"},
}

// badInput checks that every body has an outcome. A panic fails the test by itself.
func (s *suite) badInput(t *testing.T) {
	tried := map[string]bool{} // places in the bodies of an event
	for _, sample := range s.samples {
		t.Run(sample.name, func(t *testing.T) {
			for name, body := range unreadable {
				s.undecodable(t, name, sample, body)
			}
			for _, cut := range []int{1, len(sample.body) / 2, len(bytes.TrimSpace(sample.body)) - 1} {
				s.undecodable(t, "truncated", sample, sample.body[:cut])
			}
			s.undecodable(t, "garbage behind", sample, append(bytes.Clone(sample.body), 'x'))
			s.undecodable(t, "twice", sample, append(bytes.Clone(sample.body), sample.body...))
			s.outcome(t, "no members", sample, []byte("{}"))
			untried := func(path string) bool {
				place := sample.event.Name + path
				before := tried[place]
				tried[place] = true
				return !before
			}
			mutated(t, sample.body, untried, wrong, func(path string, body []byte) {
				s.outcome(t, path, sample, body)
			})
		})
	}
}

// undecodable checks a body that is not a JSON object: verified, it goes to the dead letters.
func (s *suite) undecodable(t *testing.T, name string, sample sample, body []byte) {
	t.Helper()
	var undecodable *provider.DecodeError
	for _, event := range []string{provider.EventUndecodable, s.Token(sample.event.Name)} {
		if event != provider.EventUndecodable && sample.event.Unhandled {
			continue
		}
		if _, err := s.decode(t, event, body); !errors.As(err, &undecodable) {
			t.Errorf("%s: decode: %v, want a DecodeError", name, err)
		}
	}
	signed, err := s.Sign(sample.event.Name, body, secret)
	if err != nil {
		// What is signed is within the body, and this one has no place for it.
		s.refused(t, request(provider.Signed{Body: body}, secret), provider.ErrMissingSignature)
		return
	}
	receipt, err := s.Verify(request(signed, secret))
	if err != nil {
		t.Errorf("%s: verify: %v", name, err)
	}
	if receipt.Event != provider.EventUndecodable || receipt.Family != provider.FamilyVerification || receipt.DeliveryID != "" {
		t.Errorf("%s: receipt is for %s %q, want %s", name, receipt.Event, receipt.DeliveryID, provider.EventUndecodable)
	}
}

// outcome checks a JSON object with something wrong in it: whatever it is taken for, it has
// one outcome of the contract.
func (s *suite) outcome(t *testing.T, name string, sample sample, body []byte) {
	t.Helper()
	token := s.Token(sample.event.Name)
	_, _ = s.decode(t, token, body)
	signed, err := s.Sign(sample.event.Name, body, secret)
	if err != nil {
		return // what is signed is within the body, and this one has no place for it
	}
	receipt, err := s.Verify(request(signed, secret))
	if err != nil {
		if !errors.Is(err, provider.ErrMissingSignature) && !errors.Is(err, provider.ErrBadSignature) {
			t.Errorf("%s: verify: %v", name, err)
		}
		return
	}
	s.validReceipt(t, receipt)
	if receipt.Event != token || !bytes.Equal(signed.Body, body) {
		_, _ = s.decode(t, receipt.Event, signed.Body)
	}
}

func (s *suite) validReceipt(t testing.TB, receipt provider.Receipt) {
	t.Helper()
	if _, listed := eventOf(s.Provider, receipt.Event); !listed && receipt.Event != provider.EventOther && receipt.Event != provider.EventUndecodable {
		t.Errorf("event %q is not listed", receipt.Event)
	}
	if id := receipt.DeliveryID; id != "" && !deliveryID.MatchString(id) {
		t.Errorf("delivery id %q may not enter an event's id", id)
	}
	if len(receipt.Signed) == 0 && receipt.Event != provider.EventUndecodable {
		t.Error("the receipt does not say what is signed")
	}
}

// mutated hands on the body with each of the values in every wanted place, one at a time, and
// with the member taken away.
func mutated(t *testing.T, body []byte, wanted func(path string) bool, values []any, check func(path string, body []byte)) {
	t.Helper()
	document := parsed(t, body)
	var nodes []node
	walk(document, func(n node) {
		if wanted(n.path) {
			nodes = append(nodes, n)
		}
	})
	for _, n := range nodes {
		for _, value := range values {
			n.set(value)
			check(n.path, encoded(t, document))
		}
		if n.remove != nil {
			n.remove()
			check(n.path, encoded(t, document))
		}
		n.set(n.value)
	}
}
