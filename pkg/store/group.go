package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// group are the verifications of one kind. No verification ever leaves its group: provider and kind are part of its id, and a kind has one
// scope.
type group struct{ scope, provider, kind string }

// nextGroup is a step to the group behind one: the next of its kinds, or else of the providers, or else of the scopes. Compared as a whole,
// SQLite would read all of the group.
const nextGroup = `
	SELECT scope, provider, kind, 1 AS step FROM (SELECT scope, provider, kind FROM verification
		WHERE sandbox = $1 AND scope = $2 AND provider = $3 AND kind > $4 ORDER BY kind LIMIT 1) kinds
	UNION ALL SELECT scope, provider, kind, 2 FROM (SELECT scope, provider, kind FROM verification
		WHERE sandbox = $1 AND scope = $2 AND provider > $3 ORDER BY provider, kind LIMIT 1) providers
	UNION ALL SELECT scope, provider, kind, 3 FROM (SELECT scope, provider, kind FROM verification
		WHERE sandbox = $1 AND scope > $2 ORDER BY scope, provider, kind LIMIT 1) scopes
	ORDER BY step LIMIT 1`

// groups returns the groups that the filter chooses from. They are few, and found by a step of the index each.
func (m *ReadModel) groups(ctx context.Context, f VerificationFilter) ([]group, error) {
	var all []group
	for at := (group{}); ; {
		found, err := m.db.read().one(ctx, []any{&at.scope, &at.provider, &at.kind, new(int)}, nextGroup, f.Sandbox, at.scope, at.provider, at.kind)
		if err != nil || !found {
			return all, err
		}
		if agrees(f.Scope, at.scope) && agrees(f.Provider, at.provider) && agrees(f.Kind, at.kind) {
			all = append(all, at)
		}
	}
}

// grouped reports whether the filter is about what groups have in common, or a status.
func (f VerificationFilter) grouped() bool {
	return f.Scope != "" || f.Provider != "" || f.Kind != "" || f.Status != "" || f.Final != nil
}

// statuses returns those that the filter chooses.
func (f VerificationFilter) statuses() []string {
	var all []string
	for _, status := range verification.Statuses {
		if agrees(f.Status, string(status)) && (f.Final == nil || *f.Final == status.Final()) {
			all = append(all, string(status))
		}
	}
	return all
}

// errNothing means that no verification can be what a filter chooses.
var errNothing = errors.New("the filter chooses nothing")

// queryGroups returns the statement for one page and one row more of what the filter chooses from groups. It merges what indexes hold in
// order, the rows of each group or of each status of it, and reads no others. SQLite merges up to 500: more than there are.
func (f VerificationFilter) queryGroups(groups []group, from uint64) (string, []any, error) {
	var w where
	common := []string{w.bind("sandbox = %s", f.Sandbox), w.bind("sequence > %s", int64(from))}
	if f.Overdue != nil {
		common = append(common, w.bind("overdue = %s", *f.Overdue))
	}
	if !f.UpdatedSince.IsZero() {
		common = append(common, w.bind("COALESCE(updated_at, 0) >= %s", micros(f.UpdatedSince)))
	}
	var statuses []string
	for _, status := range f.statuses() {
		statuses = append(statuses, w.bind("status = %s", status))
	}
	var parts []string
	for _, g := range groups {
		terms := append(slices.Clone(common),
			w.bind("scope = %s", g.scope), w.bind("provider = %s", g.provider), w.bind("kind = %s", g.kind))
		for _, status := range statuses {
			w.terms = append(slices.Clone(terms), status)
			parts = append(parts, selectVerification+w.String())
		}
	}
	if len(parts) == 0 {
		return "", nil, errNothing
	}
	return strings.Join(parts, " UNION ALL ") + " ORDER BY sequence" + w.limit(f.Limit), w.args, nil
}
