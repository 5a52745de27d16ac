package treezor

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// other makes an event that tells nothing of a verification, whatever status is in it: of a
// payment as of anything else that Treezor has.
func (u *user) other(event string, family provider.Family) provider.Posted {
	object, _, _ := strings.Cut(event, ".")
	at, id := u.later(), madeup.Digits(u.r, numberDigits)
	body, err := json.Marshal(map[string]any{
		fieldWebhook: event, fieldID: madeup.UUID(u.r), "object": object, fieldObjectID: id,
		fieldPayload: map[string]any{object + "s": []any{map[string]any{
			object + "Id": id, object + "Status": "VALIDATED", fieldUserID: u.id, "clientId": u.client,
			"amount": fmt.Sprintf("%d.00", 1+u.r.IntN(900)), "currency": "EUR", "createdDate": at.In(paris).Format(time.DateTime),
		}}},
		fieldCreatedAt: at.UnixNano() / int64(units[14]),
	})
	if err != nil {
		panic(fmt.Sprintf("story: %v", err)) // it is texts and numbers
	}
	return provider.Posted{Event: event, Body: body, Family: family}
}

func (u *user) foreign(event string) provider.Posted { return u.other(event, provider.FamilyForeign) }

func (u *user) unlisted(event string) provider.Posted {
	return u.other(event, provider.FamilyVerification)
}
