package provider

import "reflect"

// Claims is the personal data of a verification under one set of names for all providers:
// those of OpenID Connect Core 1.0 §5.1 and OpenID Connect for Identity Assurance, and the
// document. Every field may be absent. A date is `YYYY-MM-DD`, `YYYY-MM` or `YYYY`, as far
// as it is known.
type Claims struct {
	Name          *string   `json:"name"`
	GivenName     *string   `json:"given_name"`
	MiddleName    *string   `json:"middle_name"`
	FamilyName    *string   `json:"family_name"`
	BirthFamily   *string   `json:"birth_family_name"`
	Gender        *string   `json:"gender"` // female, male or the provider's other word in lower case
	Birthdate     *string   `json:"birthdate"`
	PlaceOfBirth  *string   `json:"place_of_birth"`
	Nationalities []string  `json:"nationalities"` // as the provider sends them, mostly ISO 3166-1 alpha-2
	Email         *string   `json:"email"`
	PhoneNumber   *string   `json:"phone_number"`
	Address       *Address  `json:"address"`
	Document      *Document `json:"document"`
}

// Address is the address claim of OpenID Connect Core 1.0 §5.1.1.
type Address struct {
	Formatted     *string `json:"formatted"`
	StreetAddress *string `json:"street_address"`
	Locality      *string `json:"locality"`
	Region        *string `json:"region"`
	PostalCode    *string `json:"postal_code"`
	Country       *string `json:"country"`
}

// Document is the identity document that was shown.
type Document struct {
	Type           *string `json:"type"` // the provider's word in lower case
	Number         *string `json:"number"`
	IssuingCountry *string `json:"issuing_country"`
	IssuedOn       *string `json:"issued_on"`
	ExpiresOn      *string `json:"expires_on"`
	MRZ            *string `json:"mrz"` // the lines joined by a line feed
}

// OrNil returns the claims, or nil where every one of them is absent.
func (c Claims) OrNil() *Claims {
	if reflect.ValueOf(c).IsZero() {
		return nil
	}
	return &c
}
