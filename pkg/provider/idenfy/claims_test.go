package idenfy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

func TestClaims(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       *provider.Claims
	}{
		{"absent", `null`, nil},
		{"nothing known", `{"docFirstName":null,"docDob":"0000-00-00","docSex":"UNDEFINED","docType":"","selectedCountry":"LT"}`, nil},
		{"placeholders are no dates", `{"docDob":"YYYY-MM-DD","docExpiry":"YYYY-MM-DD"}`, nil},
		{"names of the document", `{"orgFirstName":"Ąžuolas","docLastName":null,"orgLastName":"Čiurlys","orgBirthName":"Žu"}`, &provider.Claims{GivenName: new("Ąžuolas"), FamilyName: new("Čiurlys"), BirthFamily: new("Žu")}},
		{"Latin names first", `{"orgFirstName":"Ąžuolas","docFirstName":"Azuolas"}`, &provider.Claims{GivenName: new("Azuolas")}},
		{"year of birth", `{"docDob":"1989-00-00","docSex":"MALE"}`, &provider.Claims{Birthdate: new("1989"), Gender: new("male")}},
		{"another gender", `{"docSex":"X"}`, &provider.Claims{Gender: new("x")}},
		{"nationality", `{"docNationality":"EE"}`, &provider.Claims{Nationalities: []string{"EE"}}},
		{"wrong types", `{"docFirstName":{"a":1},"docNumber":["x"],"address":[]}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := decoded(t, legacy, `{"scanRef":"s","status":{},"data":`+test.data+`}`).Claims
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
