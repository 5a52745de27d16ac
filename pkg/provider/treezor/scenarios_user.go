package treezor

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
	"github.com/verdict-stream/verdict/pkg/provider"
)

//go:embed samples/*.json
var samples embed.FS

// The bodies that stories are made of.
var (
	livenessCreated  = body("kycliveness_create")
	livenessAccepted = body("kycliveness_update.accepted")
	livenessRefused  = body("kycliveness_update.refused")
	reviewRequested  = body("kycreview_request")
	reviewDecided    = body("kycreview_result.validated")
	documentCreated  = body("document_create")
	documentsUpdated = body("document_update.validated_and_refused")
	documentDeleted  = body("document_cancel")
	userChanged      = body("user_kycreview.validated")

	identifications = func() map[string]*madeup.Template {
		all := map[string]*madeup.Template{}
		for _, family := range []string{"qes", "videoconference"} {
			for _, sample := range []string{
				"created", "processing.fraud_suspicion_pending", "aborted",
				"finalized.success", "finalized.data_changed", "finalized.canceled", "finalized.fraud",
			} {
				all[family+"_"+sample] = body(family + "_" + sample)
			}
		}
		for _, sample := range []string{"qes_processing.check_pending", "videoconference_processing.review_pending"} {
			all[sample] = body(sample)
		}
		return all
	}()
)

func body(name string) *madeup.Template { return madeup.MustTemplate(samples, "samples/"+name+".json") }

// user is what the webhooks about one made-up user share.
type user struct {
	r          *rand.Rand
	id, client string
	person     madeup.Person
	created    time.Time
	at         time.Time // of the last webhook
}

const (
	// numberDigits is longer than Treezor's numbers are, so that two drawn ones differ; it is
	// still exact as a JSON number everywhere.
	numberDigits = 15
	// userAge is how long ago a user was created; all of a story happens since.
	userAge = 15 * time.Minute
)

func newUser(r *rand.Rand, now time.Time) *user {
	return &user{
		r: r, id: madeup.Digits(r, numberDigits), client: madeup.Digits(r, 6), person: madeup.NewPerson(r, now),
		created: now.Add(-userAge), at: now.Add(-userAge),
	}
}

// later is the time of the next webhook, some seconds after the last.
func (u *user) later() time.Time {
	u.at = u.at.Add(time.Duration(3+u.r.IntN(60)) * time.Second)
	return u.at
}

// user makes an event of the user in the nested form.
func (u *user) user(event, review string) []byte {
	const in, person = "webhook.", "webhook.object_payload.users.0."
	p, at, id := &u.person, u.later(), madeup.UUID(u.r)
	title := "M"
	if p.Female {
		title = "MME"
	}
	return userChanged.Fill(madeup.Values{
		"messageId": madeup.UUID(u.r), "webhookId": id, "clientId": u.client,
		in + "webhook": event, in + "webhook_id": id, in + "object_id": u.id,
		in + "webhook_created_at": at.UnixNano() / int64(units[14]),
		person + "userId":         u.id, person + "clientId": u.client, person + "kycReview": review, person + "kycReviewComment": "",
		person + "title": title, person + "firstname": p.Given, person + "lastname": p.Family, person + "middleNames": p.Middle,
		person + "birthday": p.Birth.Format(time.DateOnly), person + "email": p.Email, person + "mobile": p.Phone,
		person + "address1": p.Street, person + "address2": "", person + "address3": "", person + "postcode": p.Home.Postcode,
		person + "city": p.Home.City, person + "state": p.Home.Region, person + "country": p.Home.Country, person + "countryName": p.Home.CountryName,
		person + "nationality": p.Home.Country, person + "placeOfBirth": p.Birthplace, person + "taxResidence": p.Home.Country,
		person + "createdDate": u.created.In(paris).Format(time.DateTime), person + "modifiedDate": at.In(paris).Format(time.DateTime),
	})
}

// reviewRequest makes a request of a review, with a time in seconds.
func (u *user) reviewRequest() []byte {
	at := u.later()
	return reviewRequested.Fill(u.numbers(), madeup.Values{
		"object_payload.lastRequestDatetime": at.UTC().Format(time.RFC3339), "webhook_created_at": at.Unix(),
	})
}

// reviewResult makes the result of the review that was requested last.
func (u *user) reviewResult(d decision) []byte {
	requested, at := u.at, u.later()
	return reviewDecided.Fill(u.numbers(), madeup.Values{
		"object_payload.kycReview": d.number, "object_payload.kycStatus": d.status, "object_payload.informationStatus": "KYC status " + d.status,
		"object_payload.lastRequestDatetime": requested.UTC().Format(time.RFC3339),
		"object_payload.lastReviewDatetime":  at.UTC().Format(time.RFC3339), "webhook_created_at": at.Unix(),
	})
}

// numbers are the ids of a review, which are numbers.
func (u *user) numbers() madeup.Values {
	return madeup.Values{
		"object_id": u.id, "object_payload.userId": number(u.id), "object_payload.clientId": number(u.client),
		"object_payload.distributionCountry": u.person.Home.Country,
	}
}

func number(digits string) any {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("id: %v", err)) // it is drawn from digits
	}
	return n
}

// live makes a webhook of a live verification.
func (u *user) live(t *madeup.Template, id string) []byte {
	const in, identity = "object_payload.", "object_payload.identity."
	const micros = "2006-01-02T15:04:05.000000Z07:00"
	p, gender := &u.person, "M"
	if p.Female {
		gender = "F"
	}
	return t.Fill(madeup.Values{
		"webhook_id": madeup.UUID(u.r), "object_id": id, in + "user_id": u.id,
		in + "started-at": u.created.UTC().Format(micros), in + "updated-at": u.later().UTC().Format(micros),
		identity + "last-name": strings.ToUpper(p.Family), identity + "first-name": strings.ToUpper(p.Given),
		identity + "birth-date": p.Birth.Format(time.DateOnly), identity + "gender": gender, identity + "birthplace": strings.ToUpper(p.Birthplace),
	})
}

func (u *user) newDocument() string { return madeup.Digits(u.r, numberDigits) }

// document makes a webhook of documents, for each of which the template has a place. Only the
// documents have times.
func (u *user) document(t *madeup.Template, ids ...string) []byte {
	modified := u.later().In(paris).Format(time.DateTime)
	values := madeup.Values{"webhook_id": madeup.Digits(u.r, numberDigits), "object_id": ids[0]}
	for i, id := range ids {
		in := fmt.Sprintf("object_payload.documents.%d.", i)
		values[in+"documentId"], values[in+"userId"], values[in+"clientId"] = id, u.id, u.client
		values[in+"userFirstname"], values[in+"userLastname"] = u.person.Given, u.person.Family
		values[in+"fileName"] = id + ".pdf"
		values[in+"createdDate"] = u.created.In(paris).Format(time.DateTime)
		if t != documentCreated {
			values[in+"modifiedDate"] = modified
		}
	}
	return t.Fill(values)
}

// identification makes a webhook of an identification of the family, as the sample has it.
func (u *user) identification(family, sample, transaction, id string) provider.Posted {
	step, _, _ := strings.Cut(sample, ".")
	name := strings.ToLower(family) + "_" + sample
	at := u.later()
	const in, identity = "object_payload.", "object_payload.identity."
	values := madeup.Values{
		"webhook_id": madeup.UUID(u.r), "object_id": transaction, "webhook_created_at": at.UnixNano() / int64(units[digitsOf[family]]),
		in + "userId": u.id, in + "identId": id, in + "transactionNumber": transaction,
	}
	if step != "created" {
		values[in+"identificationTime"] = at.In(paris).Format(time.RFC3339)
	}
	if step == "finalized" {
		p := &u.person
		values[identity+"firstname"], values[identity+"lastname"] = strings.ToUpper(p.Given), strings.ToUpper(p.Family)
		values[identity+"birthday"], values[identity+"birthplace"] = p.Birth.Format(time.DateOnly), strings.ToUpper(p.Birthplace)
	}
	return provider.Posted{Event: family + "." + step, Body: identifications[name].Fill(values)}
}

// digitsOf is how many digits the time of an identification's webhook has.
var digitsOf = map[string]int{"qes": 14, "videoConference": 13}
