package kycaid

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
)

// idDigits is how many hexadecimal digits KYCAID's ids have.
const idDigits = 36

// run is what the callbacks of one made-up verification share.
type run struct {
	r                                        *rand.Rand
	verification, applicant, form, formToken string
	external, ip                             string
	person                                   madeup.Person
	created                                  time.Time
}

// runAge is how long ago the applicant was created; no decision depends on it.
const runAge = 5 * time.Minute

func newRun(r *rand.Rand, now time.Time) *run {
	return &run{
		r: r, verification: madeup.Hex(r, idDigits), applicant: madeup.Hex(r, idDigits), form: madeup.Hex(r, idDigits+1), formToken: madeup.Hex(r, idDigits),
		external: "customer-" + madeup.Digits(r, 8), ip: fmt.Sprintf("192.0.2.%d", 1+r.IntN(254)), person: madeup.NewPerson(r, now),
		created: now.Add(-runAge),
	}
}

// links are the ids of a change of status.
func (f *run) links() madeup.Values {
	return madeup.Values{
		"request_id": madeup.Hex(f.r, idDigits), "verification_id": f.verification, "applicant_id": f.applicant,
		"external_applicant_id": f.external, "form_id": f.form, "form_token": f.formToken,
	}
}

// screening are the ids of a screening, which has no request_id.
func (f *run) screening() madeup.Values {
	return madeup.Values{
		"document_id": madeup.Hex(f.r, idDigits), "applicant_id": f.applicant, "external_applicant_id": f.external, "verification_id": f.verification,
	}
}

// news are those of a callback of another name, which has no form of its own.
func (f *run) news() madeup.Values {
	values := f.screening()
	values["type"] = eventUnlisted
	return values
}

// unnamed is a result that no verification_id comes with.
func (f *run) unnamed() madeup.Values {
	values := f.result()
	values["verification_id"], values["form_id"] = nil, nil
	return values
}

// result is what every completed verification says of the person.
func (f *run) result() madeup.Values {
	p, gender := &f.person, "M"
	if p.Female {
		gender = "F"
	}
	return madeup.Values{
		"request_id": madeup.Hex(f.r, idDigits), "verification_id": f.verification, "applicant_id": f.applicant,
		"form_id": f.form, "form_token": f.formToken, "client_info.ip": f.ip,
		"applicant.applicant_id": f.applicant, "applicant.external_applicant_id": f.external, "applicant.created_at": f.created.UTC().Format(time.DateTime),
		"applicant.first_name": p.Given, "applicant.middle_name": p.Middle, "applicant.last_name": p.Family,
		"applicant.origin_first_name": nil, "applicant.origin_last_name": nil,
		"applicant.residence_country": p.Home.Country, "applicant.nationality": p.Home.Country, "applicant.dob": p.Birth.Format(time.DateOnly),
		"applicant.gender": gender, "applicant.email": p.Email, "applicant.phone": p.Phone,
	}
}

// approval is the result with the selfie, the passport and the address of the sample.
func (f *run) approval() madeup.Values {
	values, p := f.document(1), &f.person
	const address = "applicant.addresses.0."
	values[address+"address_id"], values[address+"country"] = madeup.Hex(f.r, idDigits), p.Home.Country
	values[address+"state_or_province"], values[address+"city"] = p.Home.Region, p.Home.City
	values[address+"postal_code"], values[address+"street_name"] = p.Home.Postcode, p.Street
	return values
}

// refusal is the result with the one document of the sample.
func (f *run) refusal() madeup.Values { return f.document(0) }

// document is the result with the person's document at a position.
func (f *run) document(position int) madeup.Values {
	values, d := f.result(), f.person.Document
	id := madeup.Hex(f.r, idDigits)
	in := fmt.Sprintf("applicant.documents.%d.", position)
	values[in+"document_id"], values[in+"document_number"] = id, d.Number
	values[in+"issue_date"], values[in+"expiry_date"] = d.Issued.Format(time.DateOnly), d.Expires.Format(time.DateOnly)
	values[in+"portrait"] = "https://files.example.com/kycaid/portraits/" + id + ".jpg"
	return values
}
