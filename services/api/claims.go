package api

import (
	"errors"
	"net/http"

	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/store"
)

// person is the personal data of a verification. Every name is always there, and null where nothing is known.
type person struct {
	provider.Claims
	DataAnonymized bool `json:"data_anonymized"`
}

// claims answers with the personal data of one verification, and writes down who asked.
func (a *api) claims(w http.ResponseWriter, r *http.Request) error {
	id, sandbox, err := named(r)
	if err != nil {
		return err
	}
	if a.keys == nil {
		return errNoKeys
	}
	through, err := a.model.AsOf(r.Context(), sandbox)
	if err != nil {
		return err
	}
	// The claims are read first, so that those which are anonymised between the two reads are left out.
	row, err := a.model.Claims(r.Context(), id, sandbox)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	verification, err := a.model.Verification(r.Context(), id, sandbox)
	if err != nil {
		return err
	}
	found := person{DataAnonymized: verification.Data.DataAnonymized}
	if len(row.Sealed) > 0 && !found.DataAnonymized {
		opened, err := claims.Open(a.keys, id, sandbox, row.Key, row.Sealed)
		if err != nil {
			return err
		}
		found.Claims = *opened
	}
	found.complete()
	a.logger.InfoContext(r.Context(), "claims read", "route", r.Pattern, "verification", id, "sandbox", sandbox, "caller", caller)
	w.Header().Set("Cache-Control", noStore)
	return respond(w, r, answer{Data: found, Meta: asOf{through}})
}

// caller is who asks. There is one token, and so one name.
const caller = "admin"

// complete gives the nested claims their names where nothing of them is known.
func (p *person) complete() {
	if p.Address == nil {
		p.Address = &provider.Address{}
	}
	if p.Document == nil {
		p.Document = &provider.Document{}
	}
}
