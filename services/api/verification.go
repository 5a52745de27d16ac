package api

import (
	"errors"
	"net/http"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

func newVerification(row store.VerificationRow) Verification {
	return Verification{Verification: row.Data, Sequence: row.Sequence, UpdatedAt: row.UpdatedAt.UTC(), Sandbox: row.Sandbox}
}

// verification answers with the current state of one.
func (a *api) verification(w http.ResponseWriter, r *http.Request) error {
	id, sandbox, through, err := a.named(r)
	if err != nil {
		return err
	}
	row, err := a.model.Verification(r.Context(), id, sandbox)
	if errors.Is(err, store.ErrNotFound) {
		return errNoVerification.asOf(through)
	}
	if err != nil {
		return err
	}
	return respond(w, r, VerificationAnswer{Data: newVerification(row), Meta: AsOf{through}})
}

// named returns which verification the path names, whether that of the provider's tests is meant, and how far the tables are, which hold at
// least as much when they are read afterwards. The path holds the reference as it stands in the id; a reference that is encoded otherwise,
// or too long, comes to the same id.
func (a *api) named(r *http.Request) (id string, sandbox bool, through uint64, err error) {
	q := newQuery(r)
	sandbox = q.sandbox()
	if err := q.done(); err != nil {
		return "", false, 0, err
	}
	if through, err = a.model.AsOf(r.Context(), sandbox); err != nil {
		return "", false, 0, err
	}
	name := verification.NewID(r.PathValue("provider"), r.PathValue("kind"), r.PathValue("reference"))
	if _, err := verification.ParseID(name.String()); err != nil {
		return "", false, 0, errNoVerification.asOf(through)
	}
	return name.String(), sandbox, through, nil
}
