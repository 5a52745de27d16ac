package event_test

import (
	"testing"

	"github.com/verdict-stream/verdict/pkg/event"
)

func TestSubjects(t *testing.T) {
	for got, want := range map[string]string{
		event.WebhookSubject("acme", "check_done"):                     "kyc.webhook.acme.check_done",
		event.WebhookFilter("acme"):                                    "kyc.webhook.acme.>",
		event.VerificationSubject(false, "acme", "check", "noted"):     "kyc.v1.acme.check.noted",
		event.VerificationSubject(true, "acme", "check", "noted"):      "kyc.sandbox.v1.acme.check.noted",
		event.VerificationFilter(false, "acme"):                        "kyc.v1.acme.>",
		event.VerificationFilter(true, "acme"):                         "kyc.sandbox.v1.acme.>",
		event.ReplaySubject("late", "acme", "check", "noted"):          "kyc.replay.late.acme.check.noted",
		event.Replayed("late", "kyc.v1.acme.check.noted"):              "kyc.replay.late.acme.check.noted",
		event.Replayed("late", "kyc.sandbox.v1.acme.check.noted"):      "kyc.replay.late.acme.check.noted",
		event.Replayed("late", "kyc.webhook.acme.check_done"):          "",
		event.HeldSubject("acme"):                                      "kyc.held.acme",
		event.RejectedSubject("acme", string(event.CauseBadSignature)): "kyc.rejected.acme.bad_signature",
		event.OutcomeSubject("acme", string(event.ExpiredUnprocessed)): "kyc.outcome.acme.expired_unprocessed",
		event.VerificationEventID("acme/check/r", 12):                  "acme/check/r@12",
	} {
		if got != want {
			t.Errorf("subject is %s, want %s", got, want)
		}
	}
}

// Only what a provider may have sent is kept of what was refused: the rest could be written by
// anybody at any pace.
func TestRecordedCauses(t *testing.T) {
	recorded := map[event.Cause]bool{
		event.CauseMissingSignature: true, event.CauseBadSignature: true, event.CauseTooLarge: true,
	}
	for _, cause := range event.Causes {
		if cause.Recorded() != recorded[cause] {
			t.Errorf("%s is recorded: %t", cause, cause.Recorded())
		}
	}
}
