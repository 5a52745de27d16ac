package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// The causes that no receiver gives.
const (
	causeTimeout  = "timeout"   // there was no answer in time
	causeNoAnswer = "no_answer" // the connection failed
	causeUnsigned = "not_sent"  // the provider's folder could not sign the body
)

// The answers of a receiver to a webhook that it took.
const (
	resultAccepted  = "accepted"
	resultDuplicate = "duplicate"
	resultIgnored   = "ignored"
	resultHeld      = "held"
)

var results = []string{resultAccepted, resultDuplicate, resultIgnored, resultHeld}

// expected says what a webhook that is taken must be answered with, by what it is for.
var expected = map[provider.Family][]string{
	provider.FamilyVerification: {resultAccepted, resultDuplicate},
	provider.FamilyForeign:      {resultIgnored},
	provider.FamilyUnsigned:     {resultHeld, resultDuplicate},
}

// The causes of refusals that are told apart.
const (
	causeBadSignature = "bad_signature"
	causeUnavailable  = "unavailable" // nothing was looked at
)

// maxAnswer is far above what a receiver answers.
const maxAnswer = 64 << 10

// answer is what became of one request.
type answer struct {
	status int    // of HTTP, 0 for none
	id     string // of the delivery, where it was taken
	result string // what the receiver did with a webhook that it took
	cause  string // why it was not taken
}

func (a *answer) taken() bool {
	return a.cause == "" && a.status >= http.StatusOK && a.status < http.StatusMultipleChoices
}

// forged begins a secret that is not the provider's.
const forged = "not-"

// post sends a delivery once. Whoever waits for it, it is not interrupted: a provider does not
// hang up either.
func (s *simulation) post(one step, timeout time.Duration) answer {
	secret, posted := one.player.Secret, one.posted
	if one.forged {
		secret = forged + secret
		posted.Family = provider.FamilyVerification // A signature that is bad, not one that is missing.
	}
	signed, err := one.player.Provider.Post(posted, secret)
	if err != nil {
		return answer{cause: causeUnsigned}
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, one.player.URL+signed.Path, bytes.NewReader(signed.Body))
	if err != nil {
		return answer{cause: causeUnsigned}
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range signed.Header {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{cause: silence(err)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{cause: silence(err)}
	}
	return read(response.StatusCode, body)
}

func silence(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return causeTimeout
	}
	return causeNoAnswer
}

// read reads an answer; one that is not a receiver's has its status as the cause.
func read(status int, body []byte) answer {
	given := answer{status: status}
	var said struct {
		ID     string
		Status json.RawMessage
		Cause  string
	}
	err := json.Unmarshal(body, &said)
	if err == nil && status < http.StatusMultipleChoices {
		given.id, err = said.ID, json.Unmarshal(said.Status, &given.result)
	}
	if err == nil && status >= http.StatusMultipleChoices {
		given.cause = said.Cause
	}
	if given.cause == "" && !slices.Contains(results, given.result) {
		given.cause = "status_" + strconv.Itoa(status)
	}
	return given
}
