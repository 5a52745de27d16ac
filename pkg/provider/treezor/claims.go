package treezor

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// userClaims reads a user (Treezor API, user). The title tells no gender.
func userClaims(user provider.Object) *provider.Claims {
	c := provider.Claims{
		GivenName:    provider.Claim(user.Text("firstname")),
		MiddleName:   provider.Claim(user.Text("middleNames")),
		FamilyName:   provider.Claim(user.Text("lastname")),
		Birthdate:    provider.DateClaim(user.Text("birthday")),
		PlaceOfBirth: provider.Claim(user.Text("placeOfBirth")),
		Email:        provider.Claim(user.Text("email")),
		PhoneNumber:  provider.Claim(cmp.Or(user.Text("phone"), user.Text("mobile"))),
		Address:      address(user),
	}
	if nationality := provider.Claim(user.Text("nationality")); nationality != nil {
		c.Nationalities = []string{*nationality}
	}
	return known(c)
}

func address(user provider.Object) *provider.Address {
	lines := []string{user.Text("address1"), user.Text("address2"), user.Text("address3")}
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.TrimSpace(line) == "" })
	a := provider.Address{
		StreetAddress: provider.Claim(strings.Join(lines, "\n")),
		Locality:      provider.Claim(user.Text("city")),
		Region:        provider.Claim(user.Text("state")),
		PostalCode:    provider.Claim(user.Text("postcode")),
		Country:       provider.Claim(user.Text("country")),
	}
	if a == (provider.Address{}) {
		return nil
	}
	return &a
}

// documentClaims reads a document, which has the names of its user and no number.
func documentClaims(document provider.Object) *provider.Claims {
	c := provider.Claims{
		GivenName:  provider.Claim(document.Text("userFirstname")),
		FamilyName: provider.Claim(document.Text("userLastname")),
	}
	if kind := provider.Claim(strings.ToLower(document.Text("documentType"))); kind != nil {
		c.Document = &provider.Document{Type: kind}
	}
	return known(c)
}

// livenessClaims reads the identity that a live verification found.
func livenessClaims(identity provider.Object) *provider.Claims {
	return known(provider.Claims{
		GivenName:    provider.Claim(identity.Text("first-name")),
		FamilyName:   provider.Claim(identity.Text("last-name")),
		Gender:       gender(identity.Text("gender")),
		Birthdate:    provider.DateClaim(identity.Text("birth-date")),
		PlaceOfBirth: provider.Claim(identity.Text("birthplace")),
	})
}

// identityClaims reads the identity that an identification found.
func identityClaims(identity provider.Object) *provider.Claims {
	return known(provider.Claims{
		GivenName:    provider.Claim(identity.Text("firstname")),
		FamilyName:   provider.Claim(identity.Text("lastname")),
		Gender:       gender(identity.Text("gender")),
		Birthdate:    provider.DateClaim(identity.Text("birthday")),
		PlaceOfBirth: provider.Claim(identity.Text("birthplace")),
	})
}

func gender(text string) *string {
	switch text = strings.ToLower(text); text {
	case "m":
		text = "male"
	case "f":
		text = "female"
	}
	return provider.Claim(text)
}

// known returns the claims, nil where there are none.
func known(c provider.Claims) *provider.Claims {
	if reflect.DeepEqual(c, provider.Claims{}) {
		return nil
	}
	return &c
}
