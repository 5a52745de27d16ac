package verification

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Signal is what one delivery says about one verification. Everything in it is free of
// direct identifiers: it is published inside the events, so that the state can be rebuilt
// from them.
type Signal struct {
	// ID is the hash of what the provider signed, and the element's index: `<sha256>#<index>`.
	// Two deliveries with one signal id are copies of each other.
	ID string `json:"id"`
	// Seq is the position of the first copy in the stream of deliveries; 0 for a made signal.
	Seq uint64 `json:"seq"`
	// At is the provider's time of what happened, at most five minutes after receipt.
	At time.Time `json:"at"`
	// ReceivedAt is when the first copy was received.
	ReceivedAt time.Time `json:"received_at"`
	// Delivery is the id of the webhook event that brought the first copy.
	Delivery string `json:"delivery,omitempty"`
	// Event is the provider's name of the event, as in the subject of the delivery.
	Event string `json:"event"`
	// Says names the row of the kind's table: what the signal says.
	Says string `json:"says"`
	// Status and By repeat what that row means, for readers of the event.
	Status Status `json:"status,omitempty"`
	By     By     `json:"by,omitempty"`
	// Preliminary is the opinion of the automation while a human will decide.
	Preliminary Status `json:"preliminary,omitempty"`
	// Attempt orders the signals of a provider that numbers its attempts by time.
	Attempt *AttemptKey `json:"attempt_key,omitempty"`
	// Rank chooses among copies of one body that came under several names: the lowest stands.
	Rank int `json:"rank,omitempty"`
	// Reasons are the provider's codes for its decision.
	Reasons []Reason `json:"reasons,omitempty"`
	// Applicant, ExternalReference and PreviousReference link the verification to others.
	Applicant         string `json:"applicant,omitempty"`
	ExternalReference string `json:"external_reference,omitempty"`
	PreviousReference string `json:"previous_reference,omitempty"`
	// Sandbox marks a delivery of the provider's test environment.
	Sandbox bool `json:"sandbox,omitempty"`
	// Anonymized reports that the provider has erased the personal data at its side.
	Anonymized bool `json:"anonymized,omitempty"`
	// Disowned marks a payload that an earlier delivery had carried under another name; it
	// stays in the set and has no effect.
	Disowned bool `json:"disowned,omitempty"`
	// Anomalies are oddities that a human may want to know of; none changes a decision.
	Anomalies []string `json:"anomalies,omitempty"`
	// Unknown names the fields whose values the decoder did not know.
	Unknown []string `json:"unknown,omitempty"`
	// Due and Through belong to the made signals: the deadline that passed, and the position
	// up to which personal data is gone.
	Due     *time.Time `json:"due,omitempty"`
	Through uint64     `json:"through,omitempty"`
	// Decoder is the version of the decoder; of several copies the highest stands.
	Decoder int `json:"decoder"`
	// DatedBy is the version of the decoder that read At, where it is not Decoder: the content
	// may be that of one copy, and the time that of another.
	DatedBy int `json:"dated_by,omitempty"`
}

// AttemptKey orders attempts by the provider's own times, in its own unit. A missing time
// is later than every other.
type AttemptKey struct {
	Start  *int64 `json:"start"`
	Finish *int64 `json:"finish"`
}

// Reason is one of the provider's codes for its decision.
type Reason struct {
	Code     string   `json:"code"`     // the provider's code, or `unlisted`
	Category Category `json:"category"` // one closed list for all providers
	Source   string   `json:"source"`   // the field or check that the code comes from
}

// Category is what a reason is about.
type Category string

// The categories.
const (
	CategoryDocument Category = "document"
	CategoryFace     Category = "face"
	CategoryData     Category = "data"
	CategoryFraud    Category = "fraud"
	CategoryAML      Category = "aml"
	CategoryUser     Category = "user"
	CategoryOther    Category = "other"
)

// Categories lists every category.
var Categories = []Category{
	CategoryDocument, CategoryFace, CategoryData, CategoryFraud, CategoryAML, CategoryUser, CategoryOther,
}

// What a signal can say besides the rows of its kind's table.
const (
	// SaysNothing is a known value that means no change; it is noted.
	SaysNothing = "noted"
	// SaysUnknown is an unknown value of a known field; it never fails and never decides.
	SaysUnknown = "unknown_value"
)

// The anomalies that the engine and the providers record.
const (
	AnomalyUnknownValue      = "unknown_value"      // an unknown value of a known field
	AnomalyEventMismatch     = "event_mismatch"     // the body says another event than the URL
	AnomalyClockAhead        = "clock_ahead"        // the provider's time lies after the receipt
	AnomalyDecisionChanged   = "decision_changed"   // a decision was replaced by a different one
	AnomalyOrderUnknown      = "order_unknown"      // only the order of arrival told which decision stands
	AnomalyDataChanged       = "data_changed"       // approved after the person's data was corrected
	AnomalyPayloadReused     = "payload_reused"     // a signed payload came again under another name
	AnomalyApplicantMismatch = "applicant_mismatch" // signed for another person than the verification
)

// Anomalies lists every anomaly.
var Anomalies = []string{
	AnomalyUnknownValue, AnomalyEventMismatch, AnomalyClockAhead, AnomalyDecisionChanged,
	AnomalyOrderUnknown, AnomalyDataChanged, AnomalyPayloadReused, AnomalyApplicantMismatch,
}

// Unlisted stands for a name or code from outside that does not match the pattern of names.
const Unlisted = "unlisted"

var code = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// Code returns the text when it may enter an event or a subject, else [Unlisted].
func Code(text string) string {
	if code.MatchString(text) {
		return text
	}
	return Unlisted
}

// maxClockAhead bounds how far a provider's clock may run before ours.
const maxClockAhead = 5 * time.Minute

// Received completes a decoded signal with where and when its delivery was received, and
// caps a time that lies too far ahead. A signal without a time of its own happened when it
// was received. Whatever the decoder said, the signal is no made one from here on: positions
// count from 1, and what belongs to made signals alone is taken away.
func (s *Signal) Received(seq uint64, at time.Time, delivery string) {
	s.Seq, s.ReceivedAt, s.Delivery = seq, at, delivery
	s.Due, s.Through, s.Disowned, s.DatedBy = nil, 0, false, 0
	switch {
	case s.At.IsZero():
		s.At = at
	case s.At.After(at.Add(maxClockAhead)):
		s.At = at.Add(maxClockAhead)
		s.Anomalies = union(s.Anomalies, AnomalyClockAhead)
	}
}

// made reports whether the signal was made by the lifecycle and not sent by the provider. It
// has no delivery then, which is what no decoder can bring about: Received fills in the
// position. What a signal says decides nothing here, since that is the decoder's to choose.
func (s *Signal) made() bool { return s.Seq == 0 }

// Made signals have ids that follow from what they say, so that each happens exactly once.

// NewOverdue makes the signal of a deadline that passed at the given time.
func NewOverdue(due, now time.Time, sandbox bool) Signal {
	due = due.UTC()
	return Signal{
		ID: Overdue + "-" + due.Format(time.RFC3339Nano), At: due, ReceivedAt: now, Due: &due,
		Event: Overdue, Says: Overdue, Sandbox: sandbox,
	}
}

// NewAnonymized makes the signal of personal data gone from all deliveries up to a position.
func NewAnonymized(through uint64, now time.Time, sandbox bool) Signal {
	return Signal{
		ID: Anonymized + "-" + strconv.FormatUint(through, 10), At: now, ReceivedAt: now, Through: through,
		Event: Anonymized, Says: Anonymized, Sandbox: sandbox,
	}
}

// errNotCopies is a defect of the caller: signals with different ids were merged.
var errNotCopies = errors.New("signals are not copies of each other")

// merge returns what stands of two copies of one signal. It is commutative, associative and
// idempotent but for Disowned, which is the first's to say; copies may be merged in any order
// and any number of times. The content is that of the higher decoder version, then of the
// lower rank, then of the earlier copy; the position, the delivery, the times and whether the
// clock was ahead are always those of the earlier copy, whose time is the only one that nobody
// can have changed by sending a captured payload again.
func merge(a, b Signal) (Signal, error) {
	if a.ID != b.ID {
		return Signal{}, errNotCopies
	}
	first, second := a, b
	if earlier(&second, &first) {
		first, second = second, first
	}
	content := first
	if second.Decoder > first.Decoder || second.Decoder == first.Decoder && second.Rank < first.Rank {
		content = second
	}
	content.Seq, content.At, content.ReceivedAt, content.Delivery = first.Seq, first.At, first.ReceivedAt, first.Delivery
	content.setDatedBy(first.datedBy())
	content.ahead(slices.Contains(first.Anomalies, AnomalyClockAhead))
	content.Disowned = a.Disowned
	return content, nil
}

// ahead sets whether the signal's time lay too far ahead.
func (s *Signal) ahead(is bool) {
	s.Anomalies = slices.DeleteFunc(slices.Clone(s.Anomalies), func(name string) bool { return name == AnomalyClockAhead })
	if is {
		s.Anomalies = union(s.Anomalies, AnomalyClockAhead)
	}
}

// earlier reports whether a is the earlier copy. One delivery decoded twice has one position:
// the newer decoder's reading of it stands.
func earlier(a, b *Signal) bool {
	switch {
	case a.Seq != b.Seq:
		return a.Seq < b.Seq
	case a.datedBy() != b.datedBy():
		return a.datedBy() > b.datedBy()
	default:
		return a.ReceivedAt.Before(b.ReceivedAt)
	}
}

// Redate gives the signal the position and the time of another copy of it, which a decoder of
// the given version has read.
func (s *Signal) Redate(seq uint64, at, receivedAt time.Time, delivery string, decoder int) {
	s.Seq, s.At, s.ReceivedAt, s.Delivery = seq, at, receivedAt, delivery
	s.setDatedBy(decoder)
}

// datedBy is the version of the decoder that has read At.
func (s *Signal) datedBy() int {
	if s.DatedBy != 0 {
		return s.DatedBy
	}
	return s.Decoder
}

func (s *Signal) setDatedBy(decoder int) {
	s.DatedBy = decoder
	if decoder == s.Decoder {
		s.DatedBy = 0
	}
}

func union(list []string, more ...string) []string {
	out := slices.Clone(list)
	for _, s := range more {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}
