package kycaid

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

func TestClaims(t *testing.T) {
	for _, test := range []struct {
		name, applicant string
		want            *provider.Claims
	}{
		{"none", `{}`, nil},
		{"null", `null`, nil},
		{"nothing in it", `{"first_name":null,"dob":"","documents":[],"addresses":null}`, nil},
		{"company", `{"type":"COMPANY","gender":"x","dob":"0000-00-00","residence_country":"LU"}`, &provider.Claims{
			Gender: new("x"), Address: &provider.Address{Country: new("LU")},
		}},
		{"first document with a number", `{"documents":[null,{"type":"SELFIE_IMAGE","document_number":null},{"type":"PASSPORT","document_number":77,"issue_date":"2020-02-00","expiry_date":"soon"},{"document_number":"B"}]}`, &provider.Claims{
			Document: &provider.Document{Type: new("passport"), Number: new("77"), IssuedOn: new("2020-02")},
		}},
		{"country of the address first", `{"gender":"f","residence_country":"LU","addresses":[{"country":"BE","street_name":"Rue Haute","unit_number":"4","city":"Liège"}]}`, &provider.Claims{
			Gender: new("female"), Address: &provider.Address{Country: new("BE"), StreetAddress: new("Rue Haute 4"), Locality: new("Liège")},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := decodeOne(t, `{`+completed+`,"status":"pending","applicant":`+test.applicant+`}`)
			if diff := cmp.Diff(test.want, e.Claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}
