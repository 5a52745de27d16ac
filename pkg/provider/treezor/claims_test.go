package treezor

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

func TestClaims(t *testing.T) {
	user := func(members string) string { return `{"users":[{"userId":"1","kycReview":"1"` + members + `}]}` }
	for _, test := range []struct {
		name, event, payload string
		want                 *provider.Claims
	}{
		{"no claims", "user.kycreview", user(`,"firstname":"","birthday":"0000-00-00","country":""`), nil},
		{"values of wrong types", "user.kycreview", user(`,"firstname":{},"birthday":[1],"city":null`), nil},
		{"year of birth", "user.kycreview", user(`,"birthday":"1989-00-00"`), &provider.Claims{Birthdate: new("1989")}},
		{"month of birth", "user.kycreview", user(`,"birthday":"1989-04-00"`), &provider.Claims{Birthdate: new("1989-04")}},
		{"title is no gender", "user.kycreview", user(`,"title":"MME","lastname":"Roux"`), &provider.Claims{FamilyName: new("Roux")}},
		{"phone before mobile", "user.kycreview", user(`,"phone":"+33100000001","mobile":"+33600000001"`), &provider.Claims{PhoneNumber: new("+33100000001")}},
		{"lines of the address", "user.kycreview", user(`,"address1":"1 rue A","address2":" ","address3":"B","country":"FR"`), &provider.Claims{
			Address: &provider.Address{StreetAddress: new("1 rue A\nB"), Country: new("FR")},
		}},
		{"document", "document.create", `{"documents":[{"documentId":"9","documentStatus":"PENDING","userFirstname":"Élodie","documentType":"PROOF_OF_ADDRESS","name":"scan of Élodie.pdf"}]}`, &provider.Claims{
			GivenName: new("Élodie"), Document: &provider.Document{Type: new("proof_of_address")},
		}},
		{"liveness", "kycliveness.create", `{"kyc-status":"processing","identity":{"last-name":"OAK","birth-date":"1979-04-30","gender":"M","birthplace":"İZMİR"}}`, &provider.Claims{
			FamilyName: new("OAK"), Birthdate: new("1979-04-30"), Gender: new("male"), PlaceOfBirth: new("İZMİR"),
		}},
		{"identification", "qes.finalized", `{"transactionNumber":"4be0","result":"SUCCESS","identity":{"firstname":"A","birthday":"1979-04-30","gender":"OTHER"}}`, &provider.Claims{
			GivenName: new("A"), Birthdate: new("1979-04-30"), Gender: new("other"),
		}},
		{"identification without identity", "qes.finalized", `{"transactionNumber":"4be0","result":"CANCELED"}`, nil},
		{"review", "kycreview.result", `{"userId":1,"kycReview":2,"kycReviewComment":"foo"}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := decodeOne(t, test.event, test.payload, `,"object_id":"77"`)
			if diff := cmp.Diff(test.want, e.Claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}
