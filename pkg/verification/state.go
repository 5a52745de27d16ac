package verification

import "time"

// State is what a set of signals comes to. It is a pure function of the set: neither the
// order in which the signals were learnt nor the number of copies is in it.
type State struct {
	Status Status `json:"status"`
	// By is who decided; empty where the provider does not say or nothing is decided.
	By By `json:"decided_by,omitempty"`
	// Preliminary is the opinion of the automation while a human review is pending.
	Preliminary Status `json:"preliminary,omitempty"`
	// Reasons are those of the signal that set the status.
	Reasons []Reason `json:"reasons,omitempty"`
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// Supersedes is the final status that the current one replaced within this attempt.
	Supersedes *Superseded `json:"supersedes,omitempty"`
	// Decision is the last decision in force, kept while a later attempt is open.
	Decision *Decision `json:"decision,omitempty"`
	// ReviewDueAt is when a verification that waits should have been decided.
	ReviewDueAt *time.Time `json:"review_due_at,omitempty"`
	// Overdue reports that ReviewDueAt passed without a decision.
	Overdue bool `json:"overdue,omitempty"`
	// Anomalies are those of all signals and of the fold, sorted, each once.
	Anomalies []string `json:"anomalies,omitempty"`
	// DataAnonymized reports that no personal data of this verification is left.
	DataAnonymized bool `json:"data_anonymized,omitempty"`
	// AnonymizedThrough is the position in the stream of deliveries up to which personal data
	// must never be written again; AllDeliveries where the provider has erased it.
	AnonymizedThrough uint64 `json:"anonymized_through,omitempty"`

	Applicant         string `json:"applicant,omitempty"`
	ExternalReference string `json:"external_reference,omitempty"`
	PreviousReference string `json:"previous_reference,omitempty"`
}

// AllDeliveries is a position behind every other, and the largest number that all readers of
// JSON can hold.
const AllDeliveries = 1<<53 - 1

// Superseded is a final status that was replaced, and the signal that had set it.
type Superseded struct {
	Status Status `json:"status"`
	Signal string `json:"signal"`
}

// Decision is a status that the provider decided on: approved, rejected, suspected or
// inconclusive.
type Decision struct {
	Status  Status    `json:"status"`
	Attempt int       `json:"attempt"`
	By      By        `json:"decided_by,omitempty"`
	At      time.Time `json:"at"`
}
