package idenfy

import (
	"cmp"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// genders translate docSex; UNDEFINED is absent.
var genders = map[string]string{"MALE": "male", "FEMALE": "female", "UNDEFINED": ""}

// claims reads the data of a callback; nil where it tells nothing of the person. A name is
// the one in Latin letters, else the one in the letters of the document.
func claims(data provider.Object) *provider.Claims {
	c := provider.Claims{
		Name:         provider.Claim(data.Text("fullName")),
		GivenName:    provider.Claim(cmp.Or(data.Text("docFirstName"), data.Text("orgFirstName"))),
		FamilyName:   provider.Claim(cmp.Or(data.Text("docLastName"), data.Text("orgLastName"))),
		BirthFamily:  provider.Claim(cmp.Or(data.Text("docBirthName"), data.Text("orgBirthName"))),
		Gender:       gender(data.Text("docSex")),
		Birthdate:    provider.DateClaim(data.Text("docDob")),
		PlaceOfBirth: provider.Claim(data.Text("birthPlace")),
		Document:     document(data),
	}
	if nationality := provider.Claim(data.Text("docNationality")); nationality != nil {
		c.Nationalities = []string{*nationality}
	}
	if address := provider.Claim(data.Text("address")); address != nil {
		c.Address = &provider.Address{Formatted: address}
	}
	return c.OrNil()
}

func gender(sex string) *string {
	if word, ok := genders[sex]; ok {
		return provider.Claim(word)
	}
	return provider.Claim(strings.ToLower(sex))
}

// document reads what the callback tells of the document; nil where it tells nothing.
func document(data provider.Object) *provider.Document {
	d := provider.Document{
		Type:           provider.Claim(strings.ToLower(data.Text("docType"))),
		Number:         provider.Claim(data.Text("docNumber")),
		IssuingCountry: provider.Claim(data.Text("docIssuingCountry")),
		IssuedOn:       provider.DateClaim(data.Text("docDateOfIssue")),
		ExpiresOn:      provider.DateClaim(data.Text("docExpiry")),
	}
	if d == (provider.Document{}) {
		return nil
	}
	return &d
}
