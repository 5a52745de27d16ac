package providertest

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// unheardOf are values that no list of a provider has.
var unheardOf = []any{"unheard of", json.Number("86420135")}

// unknownValues changes every place of every sample, one at a time: to a value that nobody has
// heard of, to null, and to nothing at all. No change may make a decision that the sample did
// not have, and what decides must be read: with an unheard-of value in some place, a decision
// is none any more, and every event has a place whose values are not all the same to it.
func (s *suite) unknownValues(t *testing.T) {
	noted, optional := map[string]bool{}, map[string]bool{}
	for _, sample := range s.samples {
		if sample.event.Unhandled {
			continue
		}
		t.Run(sample.name, func(t *testing.T) {
			u := &unknowns{suite: s, token: s.Token(sample.event.Name), optional: optional}
			u.sample(t, sample.body)
			noted[sample.event.Name] = noted[sample.event.Name] || u.noted
		})
	}
	for _, e := range s.Events {
		if !e.Unhandled && !noted[e.Name] {
			t.Errorf("no value of any place in a %q is an unknown one", e.Name)
		}
	}
	for _, path := range s.Optional {
		if !optional[path] {
			t.Errorf("Optional has %q, which no sample decides differently without", path)
		}
	}
}

// unknowns is the check of one sample.
type unknowns struct {
	*suite
	token    string
	before   []verdict       // of the sample as it is, by element
	open     []bool          // whether some unheard-of value takes the decision of an element away
	noted    bool            // whether some place leads to an unknown value or a missing field
	optional map[string]bool // the optional members that made a difference, of all samples
}

// verdict is what a signal comes to where it is the only one.
type verdict struct {
	status  verification.Status
	sandbox bool
	noted   bool // the folder names a field whose value it does not know
}

func (u *unknowns) sample(t *testing.T, body []byte) {
	u.before, _ = u.read(t, body)
	u.open = make([]bool, len(u.before))
	document := parsed(t, body)
	var nodes []node
	walk(document, func(n node) { nodes = append(nodes, n) })
	for _, n := range nodes {
		for _, value := range unheardOf {
			n.set(value)
			u.unheard(t, n, encoded(t, document))
		}
		n.set(nil)
		u.absent(t, n, encoded(t, document))
		if n.remove != nil {
			n.remove()
			u.absent(t, n, encoded(t, document))
		}
		n.set(n.value)
	}
	for i, v := range u.before {
		if decision(v.status) && !u.open[i] {
			t.Errorf("element %d is %s, whatever value stands in any place", i, v.status)
		}
	}
}

// unheard checks a body with an unheard-of value in a place.
func (u *unknowns) unheard(t *testing.T, n node, body []byte) {
	t.Helper()
	after, err := u.read(t, body)
	u.note(after, err)
	if i, ok := u.differs(after); !ok {
		t.Errorf("%s: with an unheard-of value element %d is %s", place(n), i, after[i].status)
	}
	if inner(n.value) {
		return // a value of another type, which is no unknown one
	}
	for i := range u.before {
		if cause(err) == provider.CauseMissingField || i < len(after) && !after[i].status.Final() {
			u.open[i] = true
		}
	}
}

// absent checks a body with nothing in a place.
func (u *unknowns) absent(t *testing.T, n node, body []byte) {
	t.Helper()
	after, err := u.read(t, body)
	u.note(after, err)
	i, ok := u.differs(after)
	switch {
	case ok:
	case slices.Contains(u.Optional, place(n)):
		u.optional[place(n)] = true
	default:
		t.Errorf("%s: without it element %d is %s", place(n), i, after[i].status)
	}
}

func (u *unknowns) read(t *testing.T, body []byte) ([]verdict, error) {
	t.Helper()
	decoded, err := u.decode(t, u.token, body)
	verdicts := make([]verdict, 0, len(decoded.Elements))
	for _, e := range decoded.Elements {
		kind, ok := u.Kind(e.Kind)
		if !ok {
			t.Fatalf("kind %q is not the provider's", e.Kind)
		}
		row, _ := kind.Row(e.Signal.Says)
		verdicts = append(verdicts, verdict{row.Status, e.Signal.Sandbox, len(e.Unknown) > 0})
	}
	return verdicts, err
}

// note remembers that the event's values are read. That a body has lost its reference or is of
// another event does not show that.
func (u *unknowns) note(after []verdict, err error) {
	u.noted = u.noted || slices.ContainsFunc(after, func(v verdict) bool { return v.noted }) || cause(err) == provider.CauseMissingField
}

// differs returns the first element that has become final where the sample's was not so, or
// not in the same way.
func (u *unknowns) differs(after []verdict) (element int, ok bool) {
	for i, v := range after {
		if v.status.Final() && (i >= len(u.before) || v.status != u.before[i].status || v.sandbox != u.before[i].sandbox) {
			return i, false
		}
	}
	return 0, true
}

// decision reports whether a status says what the provider thinks of the person.
func decision(s verification.Status) bool {
	return slices.Contains([]verification.Status{
		verification.Approved, verification.Rejected, verification.Suspected, verification.Inconclusive,
	}, s)
}

func cause(err error) string {
	var undecodable *provider.DecodeError
	if errors.As(err, &undecodable) {
		return undecodable.Cause
	}
	return ""
}

func place(n node) string { return strings.TrimPrefix(n.path, ".") }

// inner reports whether a value holds others.
func inner(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}
