package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// reading is what a golden file says about a sample.
type reading struct {
	Event      string    `json:"event"`
	DeliveryID string    `json:"delivery_id,omitempty"`
	Error      string    `json:"error,omitempty"`
	Elements   []element `json:"elements"`
}

type element struct {
	Kind      string              `json:"kind"`
	Reference string              `json:"reference"`
	Applicant bool                `json:"reference_is_applicant,omitempty"`
	Signal    verification.Signal `json:"signal"`
	Claims    *provider.Claims    `json:"claims"`
	Unknown   []string            `json:"unknown,omitempty"`
}

// decodes compares what the samples say with the golden files.
func (s *suite) decodes(t *testing.T) {
	kinds := map[string]bool{}
	for _, sample := range s.samples {
		t.Run(sample.name, func(t *testing.T) {
			signed := s.signed(t, sample.event.Name, sample.body, secret)
			receipt := s.accepted(t, request(signed, secret), 0)
			got := reading{Event: receipt.Event, DeliveryID: receipt.DeliveryID}
			decoded, err := s.Decode(provider.Delivery{Event: receipt.Event, Body: signed.Body})
			if err != nil {
				got.Error = err.Error()
			}
			s.valid(t, decoded, err)
			for _, e := range decoded.Elements {
				kinds[e.Kind] = true
				got.Elements = append(got.Elements, element{e.Kind, e.Reference, e.ReferenceIsApplicant, e.Signal, e.Claims, e.Unknown})
			}
			if err == nil && sample.event.Unhandled {
				t.Error("a sample of an unhandled event was decoded")
			}
			s.golden(t, "decode/"+sample.name, indented(t, got))
		})
	}
	for _, k := range s.Kinds {
		if !kinds[k.Name] {
			t.Errorf("no sample tells of a %s", k.Name)
		}
	}
}

func indented(t *testing.T, value any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// valid checks what holds for every result of Decode, whatever the body.
func (s *suite) valid(t testing.TB, decoded provider.Decoded, err error) {
	t.Helper()
	if err != nil {
		s.validError(t, decoded, err)
		return
	}
	if len(decoded.Elements) == 0 {
		t.Error("nothing was decoded, and no error says so")
	}
	ids := map[string]bool{}
	for _, e := range decoded.Elements {
		if e.Reference == "" || e.Signal.ID == "" || ids[e.Signal.ID] {
			t.Errorf("%s %q: no reference, or no id of its own", e.Kind, e.Signal.ID)
		}
		ids[e.Signal.ID] = true
		s.validSignal(t, e)
	}
}

// signalID is the form of an id that cannot be taken for one of a made signal.
var signalID = regexp.MustCompile(`^[0-9a-f]{64}#(0|[1-9][0-9]*)$`)

var causes = []string{
	provider.CauseInvalidJSON, provider.CauseInvalidUTF8, provider.CauseMissingReference,
	provider.CauseEventMismatch, provider.CauseMissingField,
}

func (s *suite) validError(t testing.TB, decoded provider.Decoded, err error) {
	t.Helper()
	var undecodable *provider.DecodeError
	if errors.As(err, &undecodable) {
		if !slices.Contains(causes, undecodable.Cause) {
			t.Errorf("cause %q is not listed", undecodable.Cause)
		}
	} else if !errors.Is(err, provider.ErrUnhandled) {
		t.Errorf("decode: %v, want an outcome of the contract", err)
	}
	if len(decoded.Elements) > 0 {
		t.Error("an error came with elements")
	}
}

func (s *suite) validSignal(t testing.TB, e provider.Element) {
	t.Helper()
	kind, ok := s.Kind(e.Kind)
	if !ok {
		t.Fatalf("kind %q is not the provider's", e.Kind)
	}
	signal := e.Signal
	if err := kind.Fill(&signal); err != nil {
		t.Error(err)
	}
	if !signalID.MatchString(signal.ID) {
		t.Errorf("signal id %q is not made by provider.SignalID", signal.ID)
	}
	if s.WithoutClaims && e.Claims != nil {
		t.Error("there are claims, and the folder says WithoutClaims")
	}
	if signal.Decoder < 1 {
		t.Error("the decoder has no version")
	}
	if _, offset := signal.At.Zone(); offset != 0 || signal.At.Location() != time.UTC {
		t.Errorf("time %v is not UTC", signal.At)
	}
	if signal.Seq != 0 || !signal.ReceivedAt.IsZero() || signal.Delivery != "" || signal.Disowned || signal.Due != nil || signal.Through != 0 {
		t.Error("the decoder filled in what only the receipt or the lifecycle knows")
	}
	if signal.Says == verification.SaysUnknown && len(e.Unknown) == 0 {
		t.Error("an unknown value without the name of its field")
	}
	if signal.Preliminary != "" && !slices.Contains(verification.Statuses, signal.Preliminary) {
		t.Errorf("preliminary %q is no status", signal.Preliminary)
	}
	for _, anomaly := range signal.Anomalies {
		if !slices.Contains(verification.Anomalies, anomaly) {
			t.Errorf("anomaly %q is not listed", anomaly)
		}
	}
	validReasons(t, signal.Reasons)
	if _, err := json.Marshal(signal); err != nil {
		t.Errorf("signal cannot be published: %v", err)
	}
}

func validReasons(t testing.TB, reasons []verification.Reason) {
	t.Helper()
	seen := map[verification.Reason]bool{}
	for _, r := range reasons {
		if verification.Code(r.Code) != r.Code || verification.Code(r.Source) != r.Source {
			t.Errorf("reason %q of %q may not enter an event", r.Code, r.Source)
		}
		if !slices.Contains(verification.Categories, r.Category) {
			t.Errorf("category %q is not listed", r.Category)
		}
		if seen[r] {
			t.Errorf("reason %q stands twice", r.Code)
		}
		seen[r] = true
	}
}

// decode decodes twice: the result is valid and depends on nothing but the body.
func (s *suite) decode(t testing.TB, event string, body []byte) (provider.Decoded, error) {
	t.Helper()
	before := bytes.Clone(body)
	decoded, err := s.Decode(provider.Delivery{Event: event, Body: body})
	s.valid(t, decoded, err)
	again, errAgain := s.Decode(provider.Delivery{Event: event, Body: body})
	if !reflect.DeepEqual(decoded, again) || !reflect.DeepEqual(err, errAgain) {
		t.Errorf("one body decodes in two ways, %v and %v: %s", err, errAgain, cmp.Diff(decoded, again))
	}
	if !bytes.Equal(before, body) {
		t.Error("decoding changed the body")
	}
	return decoded, err
}
