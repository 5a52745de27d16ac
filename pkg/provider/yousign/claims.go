package yousign

import (
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// genders translate the letters of Yousign; another one stays as it is.
var genders = map[string]string{"f": "female", "m": "male"}

// claims reads the data extracted from a document; nil where there is none, or where Yousign
// says that it has erased it.
func claims(document provider.Object) *provider.Claims {
	if erased := document.Bool("data_anonymized"); erased != nil && *erased {
		return nil
	}
	data := document.Object("data").Object("extracted_from_document")
	c := provider.Claims{
		GivenName:    provider.Claim(data.Text("first_name")),
		FamilyName:   provider.Claim(data.Text("last_name")),
		BirthFamily:  provider.Claim(data.Text("birth_name")),
		Gender:       gender(data.Text("gender")),
		Birthdate:    provider.DateClaim(data.Text("born_on")),
		PlaceOfBirth: provider.Claim(data.Text("birth_location")),
		Document:     shown(data),
	}
	if address := provider.Claim(data.Text("full_address")); address != nil {
		c.Address = &provider.Address{Formatted: address}
	}
	return c.OrNil()
}

func gender(letter string) *string {
	if word, ok := genders[letter]; ok {
		return &word
	}
	return provider.Claim(strings.ToLower(letter))
}

// shown reads what is known of the document itself; nil where that is nothing.
func shown(data provider.Object) *provider.Document {
	d := provider.Document{
		Type:           provider.Claim(strings.ToLower(data.Text("type"))),
		Number:         provider.Claim(data.Text("document_number")),
		IssuingCountry: provider.Claim(data.Text("issuing_country_code")),
		IssuedOn:       provider.DateClaim(data.Text("issued_on")),
		ExpiresOn:      provider.DateClaim(data.Text("expired_on")),
		MRZ:            machineReadable(data.Object("mrz")),
	}
	if d == (provider.Document{}) {
		return nil
	}
	return &d
}

// machineReadable joins the lines of the machine-readable zone; a passport has two.
func machineReadable(zone provider.Object) *string {
	var lines []string
	for _, field := range []string{"line1", "line2", "line3"} {
		if line := provider.Claim(zone.Text(field)); line != nil {
			lines = append(lines, *line)
		}
	}
	return provider.Claim(strings.Join(lines, "\n"))
}
