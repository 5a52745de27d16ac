package event

import (
	"strings"

	"github.com/verdict-stream/verdict/schemas"
)

// Subjects hold no ids, so that their number does not grow with the number of verifications.

// WebhookSubject is where accepted deliveries are published.
func WebhookSubject(provider, event string) string { return "kyc.webhook." + provider + "." + event }

// WebhookFilter matches all deliveries of one provider.
func WebhookFilter(provider string) string { return "kyc.webhook." + provider + ".>" }

// VerificationSubject is where the events of a kind are published under a status.
func VerificationSubject(sandbox bool, provider, kind, status string) string {
	return verificationTree(sandbox) + provider + "." + kind + "." + status
}

// VerificationFilter matches all events of one provider.
func VerificationFilter(sandbox bool, provider string) string {
	return verificationTree(sandbox) + provider + ".>"
}

// ReplaySubject is where a replay of this name publishes the events of a kind under a status.
func ReplaySubject(name, provider, kind, status string) string {
	return "kyc.replay." + name + "." + provider + "." + kind + "." + status
}

// Replayed returns where a replay of this name publishes what was published to a subject of verification events.
func Replayed(name, subject string) string {
	for _, sandbox := range []bool{true, false} {
		if rest, ok := strings.CutPrefix(subject, verificationTree(sandbox)); ok {
			return "kyc.replay." + name + "." + rest
		}
	}
	return ""
}

// HeldSubject is where deliveries that wait for a human are published.
func HeldSubject(provider string) string { return "kyc.held." + provider }

// RejectedSubject is where refusals are recorded.
func RejectedSubject(provider, cause string) string { return "kyc.rejected." + provider + "." + cause }

// OutcomeSubject is where the outcome of a delivery that leaves no event is published.
func OutcomeSubject(provider, outcome string) string {
	return "kyc.outcome." + provider + "." + outcome
}

// VerificationSchema is the id of the schema of a verification event's data.
const VerificationSchema = schemas.Base + "verification.json"

func verificationTree(sandbox bool) string {
	if sandbox {
		return "kyc.sandbox.v1."
	}
	return "kyc.v1."
}
