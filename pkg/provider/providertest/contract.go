package providertest

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// reserved are the names of rows that stand in every table, and of the signals that the
// lifecycle makes itself.
var reserved = []string{verification.SaysNothing, verification.SaysUnknown, verification.Noted, verification.Overdue, verification.Anonymized}

var (
	providerName = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	kindName     = regexp.MustCompile(`^[a-z][a-z_]{0,31}$`)
	segmentName  = regexp.MustCompile(`^[a-z0-9-]*$`)
)

// contract checks the value of the provider itself. Without its parts nothing else can be
// checked.
func (s *suite) contract(t *testing.T) {
	if !providerName.MatchString(s.Name) {
		t.Errorf("name %q does not fit subjects and settings", s.Name)
	}
	if folder, err := filepath.Abs(s.folder); err != nil || filepath.Base(folder) != s.Name {
		t.Errorf("name %q is not that of the folder", s.Name)
	}
	if s.Budget <= 0 {
		t.Error("no budget for an answer")
	}
	if http.StatusText(s.RefusedStatus) == "" || s.RefusedStatus < http.StatusBadRequest {
		t.Errorf("status %d does not refuse", s.RefusedStatus)
	}
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"Events", len(s.Events) == 0},
		{"Kinds", len(s.Kinds) == 0},
		{"Scheme", s.Scheme.Algorithm.Hash() == nil || s.Scheme.Messages == nil},
		{"Verify", s.Verify == nil},
		{"Decode", s.Decode == nil},
		{"Sign", s.Sign == nil},
	} {
		if part.missing {
			t.Errorf("there is no %s", part.name)
		}
	}
	s.eventNames(t)
	s.kindTables(t)
}

// eventNames checks that every event has a token of its own.
func (s *suite) eventNames(t *testing.T) {
	tokens := map[string]bool{provider.EventOther: true, provider.EventUndecodable: true}
	for _, e := range s.Events {
		token := s.Token(e.Name)
		if tokens[token] {
			t.Errorf("event %q has the token %q, which is taken", e.Name, token)
		}
		tokens[token] = true
		if !segmentName.MatchString(e.Segment) {
			t.Errorf("event %q has the segment %q, which does not fit a URL", e.Name, e.Segment)
		}
	}
}

// kindTables checks that a kind is the provider's own and that no row hides another.
func (s *suite) kindTables(t *testing.T) {
	kinds := map[string]bool{}
	for _, k := range s.Kinds {
		if k.Provider != s.Name || !kindName.MatchString(k.Name) || kinds[k.Name] {
			t.Errorf("kind %s/%s is not a kind of its own of %s", k.Provider, k.Name, s.Name)
		}
		kinds[k.Name] = true
		rows := map[string]bool{}
		for _, row := range k.Table {
			if row.Says == "" || row.Status == "" || rows[row.Says] {
				t.Errorf("kind %s has the row %q twice, or without name or status", k.Name, row.Says)
			}
			rows[row.Says] = true
			if slices.Contains(reserved, row.Says) {
				t.Errorf("kind %s has a row %q: that name is the engine's own", k.Name, row.Says)
			}
		}
	}
}
