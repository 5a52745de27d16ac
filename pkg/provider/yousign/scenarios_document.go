package yousign

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// document is what the webhooks about one made-up document share.
type document struct {
	r                           *rand.Rand
	id, workspace, subscription string
	applicant                   string
	previous                    *string
	sandbox                     bool
	created, at                 time.Time
	shown                       madeup.Person
}

// documentAge is how long ago a document was created.
const documentAge = 5 * time.Minute

func newDocument(r *rand.Rand, now time.Time) *document {
	return &document{
		r: r, id: madeup.UUID(r), workspace: madeup.UUID(r), subscription: madeup.UUID(r), applicant: madeup.UUID(r),
		created: now.Add(-documentAge), at: now.Add(-documentAge), shown: madeup.NewPerson(r, now),
	}
}

func (d *document) story(want verification.Status, steps ...step) provider.Story {
	story := provider.Story{Want: []provider.Expectation{{
		Kind: identityDocument.Name, Reference: d.id, Sandbox: d.sandbox, Status: want, Attempt: 1, Signals: len(steps),
	}}}
	for _, s := range steps {
		story.Deliveries = append(story.Deliveries, provider.Posted{Event: identityDocumentDone, Body: d.webhook(s)})
	}
	return story
}

// webhook makes the next webhook, some seconds after the last.
func (d *document) webhook(s step) []byte {
	d.at = d.at.Add(time.Duration(2+d.r.IntN(20)) * time.Second)
	const in = "data.identity_document."
	values := madeup.Values{
		s.envelope + "event_id": madeup.UUID(d.r), s.envelope + "event_time": strconv.FormatInt(d.at.Unix(), 10),
		s.envelope + "subscription_id": d.subscription, s.envelope + "sandbox": d.sandbox,
		in + "id": d.id, in + "workspace_id": d.workspace, in + "status": s.status, in + "status_codes": append([]string{}, s.codes...),
		in + "created_at": d.created.UTC().Format(time.RFC3339), in + "updated_at": d.at.UTC().Format(time.RFC3339),
	}
	if s.asNumber {
		values[s.envelope+"event_time"] = d.at.Unix()
	}
	if s.linked {
		values[in+"applicant_id"], values[in+"previous_attempt_id"] = d.applicant, d.previous
	}
	if s.template == extracted.template {
		return s.template.Fill(values, d.data())
	}
	return s.template.Fill(values)
}

// other makes a webhook of another event, about something else that is done.
func (d *document) other(event string, family provider.Family) provider.Posted {
	parts := strings.Split(event, ".") // the last is what happened to the object before it
	object := parts[len(parts)-2]
	body, err := json.Marshal(map[string]any{
		"event_id": madeup.UUID(d.r), "event_name": event, "event_time": strconv.FormatInt(d.at.Unix(), 10),
		"subscription_id": d.subscription, "subscription_description": "Onboarding", "sandbox": d.sandbox,
		"data": map[string]any{object: map[string]any{"id": madeup.UUID(d.r), "workspace_id": d.workspace, "status": "verified"}},
	})
	if err != nil {
		panic(fmt.Sprintf("story: %v", err)) // it is texts and booleans
	}
	return provider.Posted{Event: event, Body: body, Family: family}
}

// data is what was read from the document.
func (d *document) data() madeup.Values {
	const in = "data.identity_document.data.extracted_from_document."
	p, gender := &d.shown, "m"
	if p.Female {
		gender = "f"
	}
	return madeup.Values{
		in + "first_name": p.Given, in + "birth_name": p.Family, in + "last_name": p.Family, in + "gender": gender,
		in + "born_on": p.Birth.Format(time.DateOnly), in + "birth_location": p.Birthplace, in + "full_address": p.Address(),
		in + "issuing_country_code": p.Home.Country, in + "document_number": p.Document.Number,
		in + "issued_on": p.Document.Issued.Format(time.DateOnly), in + "expired_on": p.Document.Expires.Format(time.DateOnly),
		in + "mrz.line1": "ID" + p.Home.Country + p.Document.Number, in + "mrz.line2": p.Birth.Format("060102"), in + "mrz.line3": p.PersonalCode,
	}
}
