package api

import (
	"net/http"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// verifications answers with the current state of all that match, in the order of their latest events. One that changes while somebody
// turns the pages moves to the end: it may be seen twice, and is never missed.
func (a *api) verifications(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := store.VerificationFilter{
		Provider: q.word("provider"), Kind: q.word("kind"),
		Scope:     string(oneOf(q, "scope", verification.Case, verification.Step)),
		Status:    string(oneOf(q, "status", verification.Statuses...)),
		Applicant: q.value("applicant"), ExternalReference: q.value("external_reference"),
		Final: q.boolean("final"), Overdue: q.boolean("overdue"), Sandbox: q.sandbox(),
		UpdatedSince: q.time("updated_since"),
		Limit:        q.limit(), After: cursor(q, parseSequence),
	}
	if err := q.done(); err != nil {
		return err
	}
	page, err := a.model.Verifications(r.Context(), filter)
	if err != nil {
		return err
	}
	return respond(w, r, answer{
		Data: convert(page.Rows, newCurrent),
		Meta: pageMeta{NextCursor: orNull(sequenceCursor(page.Next)), AsOfSequence: &page.AsOf},
	})
}
