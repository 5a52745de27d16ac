package api

import (
	"errors"
	"net/http"

	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/store"
)

// claims answers with the personal data of one verification, and writes down who asked.
func (a *api) claims(w http.ResponseWriter, r *http.Request) error {
	id, sandbox, through, err := a.named(r)
	if err != nil {
		return err
	}
	if a.keys == nil {
		return errNoKeys
	}
	// The claims are read first, so that those which are anonymised between the two reads are left out.
	row, err := a.model.Claims(r.Context(), id, sandbox)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	verification, err := a.model.Verification(r.Context(), id, sandbox)
	if errors.Is(err, store.ErrNotFound) {
		return errNoVerification.asOf(through)
	}
	if err != nil {
		return err
	}
	found := &provider.Claims{}
	anonymized := verification.Data.DataAnonymized
	if len(row.Sealed) > 0 && !anonymized {
		if found, err = claims.Open(a.keys, id, sandbox, row.Key, row.Sealed); err != nil {
			return err
		}
	}
	a.logger.InfoContext(r.Context(), "claims read", "route", r.Pattern, "verification", id, "sandbox", sandbox, "caller", caller)
	w.Header().Set("Cache-Control", noStore)
	return respond(w, r, ClaimsAnswer{Data: newClaims(found, anonymized), Meta: AsOf{through}})
}

// caller is who asks. There is one token, and so one name.
const caller = "admin"

// newClaims gives every claim its name, also those of which nothing is known.
func newClaims(c *provider.Claims, anonymized bool) Claims {
	all := Claims{
		Name: c.Name, GivenName: c.GivenName, MiddleName: c.MiddleName, FamilyName: c.FamilyName, BirthFamilyName: c.BirthFamily,
		Gender: c.Gender, Birthdate: c.Birthdate, PlaceOfBirth: c.PlaceOfBirth, Nationalities: c.Nationalities,
		Email: c.Email, PhoneNumber: c.PhoneNumber, DataAnonymized: anonymized,
	}
	if c.Address != nil {
		all.Address = Address(*c.Address)
	}
	if c.Document != nil {
		all.Document = Document(*c.Document)
	}
	return all
}
