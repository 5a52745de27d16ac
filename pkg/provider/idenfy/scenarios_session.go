package idenfy

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
)

//go:embed samples/*.json
var samples embed.FS

// The bodies that stories are made of.
var (
	autoApproved    = body("id_verification_auto_finish.approved")
	autoDenied      = body("id_verification_auto_finish.denied")
	autoSuspected   = body("id_verification_auto_finish.suspected")
	preliminaryBody = body("id_verification_auto_finish.preliminary")
	manualApproved  = body("id_verification_manual_finish.approved")
	manualDenied    = body("id_verification_manual_finish.denied")
	manualSuspected = body("id_verification_manual_finish.suspected")
	expiredBody     = body("id_verification_expired")
	canceledBody    = body("id_verification_canceled")
	legacyReviewing = body("id_verification.reviewing")
	legacyApproved  = body("id_verification.approved")
)

func body(name string) *madeup.Template { return madeup.MustTemplate(samples, "samples/"+name+".json") }

// session is what the callbacks of one made-up verification share.
type session struct {
	r                              *rand.Rand
	scanRef, clientID, externalRef string
	clientIP, watchlist            string
	person                         madeup.Person
	start, finish                  time.Time
}

const (
	sessionAge = 8 * time.Minute // all that happens in a session happens in these
	minuteIn   = 60              // seconds
)

func newSession(r *rand.Rand, now time.Time) *session {
	return &session{
		r: r, scanRef: madeup.UUID(r), clientID: "cust-" + madeup.Digits(r, 8), externalRef: "order-" + madeup.Digits(r, 8),
		clientIP: fmt.Sprintf("198.51.100.%d", 1+r.IntN(254)), watchlist: madeup.Code(r, 25), person: madeup.NewPerson(r, now),
		finish: now.Add(-sessionAge),
	}
}

// capture lets the end user take photos: for half a minute and more, some time after the
// last ones.
func (s *session) capture() {
	s.start = s.finish.Add(s.seconds(minuteIn / 4))
	s.finish = s.start.Add(s.seconds(minuteIn / 2))
}

// seconds draws a duration from n seconds to twice as many.
func (s *session) seconds(n int) time.Duration { return time.Duration(n+s.r.IntN(n)) * time.Second }

// fill makes a body as iDenfy sends it, with a line feed behind it.
func (s *session) fill(t *madeup.Template, values ...madeup.Values) []byte {
	return append(t.Fill(values...), '\n')
}

// result is a body of today's form with everything in it.
func (s *session) result(t *madeup.Template) []byte {
	return s.fill(t, s.links(), s.times(), s.files(), s.identity(), s.personal())
}

func (s *session) links() madeup.Values {
	return madeup.Values{"scanRef": s.scanRef, "clientId": s.clientID, "externalRef": s.externalRef}
}

func (s *session) times() madeup.Values {
	return madeup.Values{"startTime": s.start.Unix(), "finishTime": s.finish.Unix()}
}

func (s *session) files() madeup.Values {
	values := madeup.Values{"AML.0.uid": s.watchlist}
	for _, side := range []string{"FRONT", "BACK", "FACE"} {
		values["fileUrls."+side] = fmt.Sprintf("https://files.idenfy.example/%s/%s.png?Signature=%s&Expires=%d",
			s.scanRef, side, s.watchlist, s.finish.Add(time.Hour).Unix())
	}
	return values
}

// identity is what every form says of the person.
func (s *session) identity() madeup.Values {
	p, sex := &s.person, "MALE"
	if p.Female {
		sex = "FEMALE"
	}
	return madeup.Values{
		"data.selectedCountry": p.Home.Country, "data.docFirstName": p.Given, "data.docLastName": p.Family,
		"data.docNumber": p.Document.Number, "data.docPersonalCode": p.PersonalCode, "data.docExpiry": p.Document.Expires.Format(time.DateOnly),
		"data.docDob": p.Birth.Format(time.DateOnly), "data.docSex": sex, "data.docNationality": p.Home.Country,
		"data.docIssuingCountry": p.Home.Country, "data.orgFirstName": p.Given, "data.orgLastName": p.Family,
		"data.orgNationality": p.Home.CountryName, "data.orgBirthPlace": p.Birthplace,
	}
}

// personal is what today's form says besides.
func (s *session) personal() madeup.Values {
	p := &s.person
	return madeup.Values{
		"data.docDateOfIssue": p.Document.Issued.Format(time.DateOnly), "data.birthPlace": p.Birthplace, "data.address": p.Address(),
		"data.fullName": p.Name(), "clientIp": s.clientIP, "clientIpCountry": p.Home.Country,
		"clientLocation": p.Home.City + ", " + p.Home.CountryName,
	}
}
