package kycaid

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// claims reads the applicant as the callback shows it; nil where it shows none.
func claims(applicant provider.Object) *provider.Claims {
	c := provider.Claims{
		GivenName:   provider.Claim(applicant.Text("first_name")),
		MiddleName:  provider.Claim(applicant.Text("middle_name")),
		FamilyName:  provider.Claim(applicant.Text("last_name")),
		Gender:      gender(applicant.Text("gender")),
		Birthdate:   provider.DateClaim(applicant.Text("dob")),
		Email:       provider.Claim(applicant.Text("email")),
		PhoneNumber: provider.Claim(applicant.Text("phone")),
		Address:     address(applicant),
		Document:    document(applicant),
	}
	if nationality := provider.Claim(applicant.Text("nationality")); nationality != nil {
		c.Nationalities = []string{*nationality}
	}
	if reflect.DeepEqual(c, provider.Claims{}) {
		return nil
	}
	return &c
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

// address is the first one of the applicant, in the country of residence where it names none.
func address(applicant provider.Object) *provider.Address {
	var first provider.Object
	if addresses := applicant.Objects("addresses"); len(addresses) > 0 {
		first = addresses[0]
	}
	a := provider.Address{
		Formatted:     provider.Claim(first.Text("full_address")),
		StreetAddress: provider.Claim(street(first)),
		Locality:      provider.Claim(first.Text("city")),
		Region:        provider.Claim(first.Text("state_or_province")),
		PostalCode:    provider.Claim(first.Text("postal_code")),
		Country:       provider.Claim(cmp.Or(first.Text("country"), applicant.Text("residence_country"))),
	}
	if a == (provider.Address{}) {
		return nil
	}
	return &a
}

func street(address provider.Object) string {
	parts := []string{address.Text("street_name"), address.Text("building_number"), address.Text("unit_number")}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), " ")
}

// document is the first one that has a number.
func document(applicant provider.Object) *provider.Document {
	for _, d := range applicant.Objects("documents") {
		number := provider.Claim(d.Text("document_number"))
		if number == nil {
			continue
		}
		return &provider.Document{
			Type:      provider.Claim(strings.ToLower(d.Text("type"))),
			Number:    number,
			IssuedOn:  provider.DateClaim(d.Text("issue_date")),
			ExpiresOn: provider.DateClaim(d.Text("expiry_date")),
		}
	}
	return nil
}
