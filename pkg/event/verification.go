package event

import (
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Verification is the data of a normalised event: the state of one verification after one
// signal. It holds no direct identifiers. Inside version 1 only optional properties may be
// added.
type Verification struct {
	ID        string             `json:"id"`
	Provider  string             `json:"provider"`
	Kind      string             `json:"kind"`
	Scope     verification.Scope `json:"scope"`
	Reference string             `json:"reference"`
	// Applicant is the provider's reference to the person; null where it gives none.
	Applicant         *string `json:"applicant"`
	ExternalReference *string `json:"external_reference"`
	PreviousReference *string `json:"previous_reference"`

	Status verification.Status `json:"status"`
	// PreviousStatus is the status of the version before, null for the first.
	PreviousStatus *verification.Status `json:"previous_status"`
	// Final says whether the status is one; a status that is not is never a decision.
	Final       bool                     `json:"final"`
	DecidedBy   *verification.By         `json:"decided_by"`
	Preliminary *verification.Status     `json:"preliminary"`
	Reasons     []verification.Reason    `json:"reasons"`
	Attempt     int                      `json:"attempt"`
	Version     int                      `json:"version"`
	Supersedes  *verification.Superseded `json:"supersedes"`
	Decision    *Decision                `json:"decision"`
	ReviewDueAt *time.Time               `json:"review_due_at"`
	Overdue     bool                     `json:"overdue"`
	Anomalies   []string                 `json:"anomalies"`
	// DataAnonymized reports that no personal data is left; AnonymizedThrough is the position
	// in the stream of deliveries up to which it must never be written again, 2^53-1 where the
	// provider has erased it.
	DataAnonymized    bool   `json:"data_anonymized"`
	AnonymizedThrough uint64 `json:"anonymized_through"`

	OccurredAt time.Time `json:"occurred_at"`
	ReceivedAt time.Time `json:"received_at"`
	// CausationID is the id of the delivery that caused this event, and CausationSequence its
	// position in the stream of deliveries; a made signal causes its own event, at 0.
	CausationID       string `json:"causation_id"`
	CausationSequence uint64 `json:"causation_sequence"`
	// Signal is the one that caused this event.
	Signal verification.Signal `json:"signal"`
	// Reread reports that deliveries were read once more by a newer version of Verdict, and that this is what they come to: it may take
	// a final status back.
	Reread bool `json:"reread,omitempty"`
}

// Decision is the last decision in force.
type Decision struct {
	Status    verification.Status `json:"status"`
	Attempt   int                 `json:"attempt"`
	DecidedBy *verification.By    `json:"decided_by"`
	At        time.Time           `json:"at"`
}

// NewVerification makes the data of the event of a change.
func NewVerification(id verification.ID, scope verification.Scope, c verification.Change) Verification {
	st := c.State
	v := Verification{
		ID: id.String(), Provider: id.Provider, Kind: id.Kind, Scope: scope, Reference: id.Reference,
		Applicant: orNull(st.Applicant), ExternalReference: orNull(st.ExternalReference), PreviousReference: orNull(st.PreviousReference),
		Status: st.Status, PreviousStatus: orNull(c.PreviousStatus), Final: st.Status.Final(),
		DecidedBy: orNull(st.By), Preliminary: orNull(st.Preliminary), Reasons: orEmpty(st.Reasons),
		Attempt: st.Attempt, Version: c.Version, Supersedes: st.Supersedes,
		ReviewDueAt: st.ReviewDueAt, Overdue: st.Overdue, Anomalies: orEmpty(st.Anomalies),
		DataAnonymized: st.DataAnonymized, AnonymizedThrough: st.AnonymizedThrough,
		OccurredAt: c.Signal.At.UTC(), ReceivedAt: c.Signal.ReceivedAt.UTC(),
		CausationID: c.Cause.ID, CausationSequence: c.Cause.Seq, Signal: c.Signal, Reread: c.Reread,
	}
	if st.Decision != nil {
		v.Decision = &Decision{
			Status: st.Decision.Status, Attempt: st.Decision.Attempt,
			DecidedBy: orNull(st.Decision.By), At: st.Decision.At,
		}
	}
	return v
}

// State returns the state that the event tells, as the lifecycle keeps it.
func (v *Verification) State() verification.State {
	st := verification.State{
		Status: v.Status, By: orZero(v.DecidedBy), Preliminary: orZero(v.Preliminary), Reasons: v.Reasons,
		Attempt: v.Attempt, Supersedes: v.Supersedes, ReviewDueAt: v.ReviewDueAt, Overdue: v.Overdue,
		Anomalies: v.Anomalies, DataAnonymized: v.DataAnonymized, AnonymizedThrough: v.AnonymizedThrough,
		Applicant: orZero(v.Applicant), ExternalReference: orZero(v.ExternalReference), PreviousReference: orZero(v.PreviousReference),
	}
	if v.Decision != nil {
		st.Decision = &verification.Decision{
			Status: v.Decision.Status, Attempt: v.Decision.Attempt, By: orZero(v.Decision.DecidedBy), At: v.Decision.At,
		}
	}
	return st
}

// Change returns the change that the event announces; published is the status it was
// published under.
func (v *Verification) Change(published string) verification.Change {
	return verification.Change{
		Event: published, Version: v.Version, PreviousStatus: orZero(v.PreviousStatus), State: v.State(), Signal: v.Signal,
		Cause: verification.Cause{ID: v.CausationID, Seq: v.CausationSequence}, Reread: v.Reread,
	}
}

func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
