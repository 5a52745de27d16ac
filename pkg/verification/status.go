// Package verification is the engine that makes verdicts of signals. It knows no provider: a
// provider's kinds are tables, and the engine runs any of them.
//
// Its invariants:
//
//   - The state of a verification is a pure function of the set of its signals. Neither the
//     order in which they were learnt, nor how often, nor a crash in between is in it.
//   - A signal is kept, whatever it says: it moves the state, leaves it on purpose, or leaves a
//     recorded anomaly. Copies of one signal are one; which of them stands does not depend on
//     the order in which they came.
//   - A status that is not final never replaces a final one within an attempt, and an ending
//     without a decision never replaces a decision, unless the provider revokes it.
//   - Every signal makes exactly one event under a version of its own; versions count from 1
//     without gaps.
//   - Nothing in a signal or a state identifies a person directly.
package verification

// Status is what a verification has come to, in the words that all providers share.
type Status string

// The closed list of statuses. The first three are never to be read as a decision.
const (
	Pending        Status = "pending"         // started, or awaiting the end user or data
	Processing     Status = "processing"      // automated checks are running
	AwaitingReview Status = "awaiting_review" // a human reviewer will decide
	Approved       Status = "approved"        // the provider decided: yes
	Rejected       Status = "rejected"        // the provider decided: no
	Suspected      Status = "suspected"       // ended with anomalies: ours to decide
	Inconclusive   Status = "inconclusive"    // no decision is possible; may be retried
	Canceled       Status = "canceled"        // ended without a decision
	Expired        Status = "expired"         // ended without a decision
	Abandoned      Status = "abandoned"       // ended without a decision
)

// Statuses lists every status, in the order of the documents.
var Statuses = []Status{
	Pending, Processing, AwaitingReview,
	Approved, Rejected, Suspected, Inconclusive,
	Canceled, Expired, Abandoned,
}

// Final reports whether nothing more is expected from the provider in this attempt.
func (s Status) Final() bool { return standing(s) == ended || standing(s) == decided }

// Event statuses are what an event is published under when it is not published under a [Status].
const (
	// Noted is the event of a signal that was kept and changed nothing a subscriber decides by.
	Noted = "noted"
	// Overdue is the event of a review deadline that passed without a decision.
	Overdue = "overdue"
	// Anonymized is the event of personal data that is gone, by retention, erasure or at the provider.
	Anonymized = "anonymized"
)

// EventStatuses lists everything that an event can be published under.
func EventStatuses() []string {
	names := make([]string, 0, len(Statuses)+3)
	for _, s := range Statuses {
		names = append(names, string(s))
	}
	return append(names, Noted, Overdue, Anonymized)
}

// By says who decided.
type By string

// The deciders. The empty value means that the provider does not say.
const (
	ByAutomation By = "automation"
	ByHuman      By = "human"
)

// Phase is how far along a signal stands among the signals of one moment. It orders the
// signals of a verification and says what a signal may replace.
type Phase int

// The phases, in order.
const (
	PhasePending       Phase = iota // started
	PhaseProcessing                 // being checked
	PhaseReview                     // waiting for a human
	PhaseEnded                      // canceled, expired, abandoned
	PhaseDecision                   // decided
	PhaseHumanDecision              // decided by a human
	PhaseRevoked                    // a decision was withdrawn: a document was canceled
)

// Scope tells a decision about a person from one check on the way to it.
type Scope string

// The scopes.
const (
	Case Scope = "case" // decides about a person
	Step Scope = "step" // one check on the way
)
