package api

import (
	"net/http"

	"github.com/verdict-stream/verdict/pkg/store"
)

// verifications answers with the current state of all that match, in the order of their latest events. One that changes while somebody
// turns the pages moves to the end: it may be seen twice, and is never missed, also where the tables get its event late.
func (a *api) verifications(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := store.VerificationFilter{
		Provider: q.text("provider"), Kind: q.text("kind"), Scope: q.text("scope"), Status: q.text("status"),
		Applicant: q.reference("applicant", a.keys), ExternalReference: q.reference("external_reference", a.keys),
		Final: q.boolean("final"), Overdue: q.boolean("overdue"), Sandbox: q.sandbox(),
		UpdatedSince: q.time("updated_since"),
		Limit:        q.limit(), After: cursor(q, parseVerificationCursor),
	}
	if err := q.done(); err != nil {
		return err
	}
	page, err := a.model.Verifications(r.Context(), filter)
	if err != nil {
		return err
	}
	return respond(w, r, VerificationPage{Data: convert(page.Rows, newVerification), Meta: newPageMeta(page)})
}

func newPageMeta(page store.VerificationPage) PageMeta {
	return PageMeta{NextCursor: orNull(verificationCursor(page.Next)), AsOfSequence: page.AsOf}
}
