package bus

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
)

// Every subject that is published to lies in the one stream it is meant for, and every stream
// has a subject that is published to.
func TestSubjectsLieInOneStream(t *testing.T) {
	streams := definitions(StreamSettings{Retention: time.Hour, DeduplicationWindow: time.Minute, Replicas: 1})
	used := map[string]bool{}
	for _, c := range []struct{ subject, stream string }{
		{event.WebhookSubject("acme", "check_done"), Webhooks},
		{event.VerificationSubject(false, "acme", "check", "noted"), Verifications},
		{event.VerificationSubject(true, "acme", "check", "noted"), Sandbox},
		{event.HeldSubject("acme"), Held},
		{event.RejectedSubject("acme", string(event.CauseTooLarge)), Rejected},
		{event.OutcomeSubject("acme", string(event.Repeat)), Outcomes},
		{deadSubjects + "lifecycle-acme", Dead},
		{redriveSubjects + "lifecycle-acme", Redrives},
		{auditSubjects + "replay", Audits},
		{spoolSubjects + "r1", Spools},
		{"kyc.canary", Canary},
		// What is not of the form of a subject is taken by no stream.
		{event.WebhookSubject("acme", "check.done"), ""},
		{event.VerificationSubject(false, "acme", "check", ""), ""},
		{event.VerificationSubject(false, "acme", "check", "a.b"), ""},
		{"kyc.v2.acme.check.noted", ""},
	} {
		var holders []string
		for _, s := range streams {
			if slices.ContainsFunc(s.Subjects, func(pattern string) bool { return covers(pattern, c.subject) }) {
				holders = append(holders, s.Name)
				used[s.Name] = true
			}
		}
		if got := strings.Join(holders, " "); got != c.stream {
			t.Errorf("subject %s is held by %q, want %q", c.subject, got, c.stream)
		}
	}
	for _, s := range streams {
		if !used[s.Name] {
			t.Errorf("nothing is published to stream %s", s.Name)
		}
	}
}

// The filters of consumers choose subjects of one stream, and of one provider only.
func TestFiltersChooseOneProvider(t *testing.T) {
	for filter, subject := range map[string]func(provider string) string{
		event.WebhookFilter("acme"):             func(p string) string { return event.WebhookSubject(p, "check_done") },
		event.VerificationFilter(false, "acme"): func(p string) string { return event.VerificationSubject(false, p, "check", "noted") },
		event.VerificationFilter(true, "acme"):  func(p string) string { return event.VerificationSubject(true, p, "check", "noted") },
	} {
		if !covers(filter, subject("acme")) || covers(filter, subject("acmex")) || covers(filter, subject("other")) {
			t.Errorf("filter %s does not choose the subjects of acme alone", filter)
		}
	}
}

// covers reports whether a pattern of subjects matches a subject, by the rules of NATS.
func covers(pattern, subject string) bool {
	want, got := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range want {
		switch {
		case token == ">":
			return len(got) > i
		case i >= len(got) || got[i] == "":
			return false
		case token != "*" && token != got[i]:
			return false
		}
	}
	return len(got) == len(want)
}
