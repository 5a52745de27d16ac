package consume

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// Filter chooses events. An empty list is everything; of several lists each must hold the event.
type Filter struct {
	Providers []string
	Kinds     []string
	// Scopes are told by the events alone: what is of another scope is read, and acked without being handled.
	Scopes []verification.Scope
	// Statuses are what events are published under: a status, or noted, overdue or anonymized. Whoever leaves some out sees gaps in the versions.
	Statuses []string
}

// maxSubjects bounds the subjects that a filter becomes; beyond it kinds, and then providers, are compared here.
const maxSubjects = 128

var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Only these are known to all versions of Verdict; providers and kinds are not.
var scopes = []verification.Scope{verification.Case, verification.Step}

func (f Filter) check() error {
	var wrong []error
	for _, name := range slices.Concat(f.Providers, f.Kinds) {
		if !tokenPattern.MatchString(name) {
			wrong = append(wrong, fmt.Errorf("filter: %q is no name of a provider or kind", name))
		}
	}
	for _, scope := range f.Scopes {
		if !slices.Contains(scopes, scope) {
			wrong = append(wrong, fmt.Errorf("filter: there is no scope %q, only %q", scope, scopes))
		}
	}
	for _, status := range f.Statuses {
		if !slices.Contains(verification.EventStatuses(), status) {
			wrong = append(wrong, fmt.Errorf("filter: nothing is published under %q, only under %s", status, strings.Join(verification.EventStatuses(), ", ")))
		}
	}
	return errors.Join(wrong...)
}

// subjects are what the broker needs to deliver, and no more than it can tell by subjects. None overlap.
func (f Filter) subjects(sandbox bool) []string {
	providers, kinds, statuses := distinct(f.Providers), distinct(f.Kinds), distinct(f.Statuses)
	count := func() int { return len(providers) * len(kinds) * len(statuses) }
	if count() > maxSubjects {
		kinds = wildcard
	}
	if count() > maxSubjects {
		providers = wildcard
	}
	var list []string
	for _, provider := range providers {
		for _, kind := range kinds {
			for _, status := range statuses {
				list = append(list, event.VerificationSubject(sandbox, provider, kind, status))
			}
		}
	}
	return list
}

// matches tells whether an event of the stream is chosen.
func (f Filter) matches(e *Event) bool {
	return f.about(e) && (len(f.Statuses) == 0 || slices.Contains(f.Statuses, e.Published))
}

// matchesState tells whether a state of a snapshot is chosen: by its status now, and by what is true of it now. Nothing is only noted.
func (f Filter) matchesState(e *Event) bool {
	if !f.about(e) {
		return false
	}
	return len(f.Statuses) == 0 || slices.Contains(f.Statuses, string(e.Status)) ||
		e.Overdue && slices.Contains(f.Statuses, verification.Overdue) ||
		e.DataAnonymized && slices.Contains(f.Statuses, verification.Anonymized)
}

func (f Filter) about(e *Event) bool {
	return (len(f.Providers) == 0 || slices.Contains(f.Providers, e.Provider)) &&
		(len(f.Kinds) == 0 || slices.Contains(f.Kinds, e.Kind)) &&
		(len(f.Scopes) == 0 || slices.Contains(f.Scopes, e.Scope))
}

var wildcard = []string{"*"}

// distinct are the tokens of a list, each once, or the one that stands for all.
func distinct(list []string) []string {
	if len(list) == 0 {
		return wildcard
	}
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// covers tells whether everything that matches subject matches pattern.
func covers(pattern, subject string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range want {
		switch {
		case token == ">":
			return len(have) > i
		case i >= len(have), have[i] == ">", token != "*" && token != have[i]:
			return false
		}
	}
	return len(want) == len(have)
}
