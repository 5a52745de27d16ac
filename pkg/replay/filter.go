package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// Filter chooses events. An empty list is everything; all that is given must hold.
type Filter struct {
	Providers []string `json:"providers,omitempty"`
	Kinds     []string `json:"kinds,omitempty"`
	// Statuses are what events were published under: a status, or noted, overdue or anonymized.
	Statuses     []string           `json:"statuses,omitempty"`
	Scope        verification.Scope `json:"scope,omitempty"`
	Applicant    string             `json:"applicant,omitempty"`
	Verification string             `json:"verification,omitempty"`
}

// maxSubjects bounds what the broker has to compare for each event.
const maxSubjects = 128

var namePattern = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

func (f Filter) check() error {
	for _, name := range slices.Concat(f.Providers, f.Kinds) {
		if !namePattern.MatchString(name) {
			return fmt.Errorf("%w: %q is no name of a provider or a kind", ErrRequest, name)
		}
	}
	for _, status := range f.Statuses {
		if !slices.Contains(verification.EventStatuses(), status) {
			return fmt.Errorf("%w: nothing is published under the status %q, only under %s", ErrRequest, status, strings.Join(verification.EventStatuses(), ", "))
		}
	}
	if f.Scope != "" && f.Scope != verification.Case && f.Scope != verification.Step {
		return fmt.Errorf("%w: the scope is %s or %s, not %q", ErrRequest, verification.Case, verification.Step, f.Scope)
	}
	if f.Verification != "" {
		if _, err := verification.ParseID(f.Verification); err != nil {
			return fmt.Errorf("%w: %q is no id of a verification, such as idenfy/id_verification/3af0b5c9", ErrRequest, f.Verification)
		}
	}
	if n := max(1, len(f.Providers)) * max(1, len(f.Kinds)) * max(1, len(f.Statuses)); n > maxSubjects {
		return fmt.Errorf("%w: %d providers, kinds and statuses together are too many, %d may be: leave one of the lists out", ErrRequest, n, maxSubjects)
	}
	return nil
}

// subjects are what the broker chooses by. None of them overlap.
func (f Filter) subjects(sandbox bool) []string {
	providers, kinds, statuses := orAny(f.Providers), orAny(f.Kinds), orAny(f.Statuses)
	if id, err := verification.ParseID(f.Verification); err == nil && f.Verification != "" {
		providers, kinds = narrowed(providers, id.Provider), narrowed(kinds, id.Kind)
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

const wildcard = "*"

func orAny(names []string) []string {
	if len(names) == 0 {
		return []string{wildcard}
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// narrowed leaves of the names the one, if it is among them.
func narrowed(names []string, name string) []string {
	if slices.Contains(names, name) || slices.Contains(names, wildcard) {
		return []string{name}
	}
	return nil
}

// exact reports whether the subjects alone choose what the filter does.
func (f Filter) exact() bool { return f.Scope == "" && f.Applicant == "" && f.Verification == "" }

// escaped are the characters of a reference that JSON may write in another way.
const escaped = `"\/<>&`

// matches reports whether an event on one of the subjects is chosen.
func (f Filter) matches(m *bus.Stored) bool {
	if f.Verification != "" && !about(m.Header, f.Verification) {
		return false
	}
	if f.Scope == "" && f.Applicant == "" {
		return true
	}
	// Most events hold neither word, which is seen much faster than read.
	if !bytes.Contains(m.Data, []byte(f.Scope)) || !strings.ContainsAny(f.Applicant, escaped) && !bytes.Contains(m.Data, []byte(f.Applicant)) {
		return false
	}
	var data struct {
		Scope     verification.Scope `json:"scope"`
		Applicant *string            `json:"applicant"`
	}
	if json.Unmarshal(m.Data, &data) != nil {
		return false
	}
	return (f.Scope == "" || data.Scope == f.Scope) && (f.Applicant == "" || data.Applicant != nil && *data.Applicant == f.Applicant)
}

// about reports whether a message is about a verification.
func about(header map[string][]string, id string) bool {
	values := header["ce-subject"]
	if len(values) == 0 {
		return false
	}
	text, err := url.PathUnescape(values[0])
	return err == nil && text == id
}

// String says what is chosen, for people and the audit; empty for everything.
func (f Filter) String() string {
	var parts []string
	add := func(name string, values ...string) {
		if text := strings.Join(values, ","); text != "" {
			parts = append(parts, name+"="+text)
		}
	}
	add("provider", f.Providers...)
	add("kind", f.Kinds...)
	add("status", f.Statuses...)
	add("scope", string(f.Scope))
	add("applicant", f.Applicant)
	add("verification", f.Verification)
	return strings.Join(parts, " ")
}
