package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/store"
)

// problem is why there is no answer.
type problem struct {
	Problem
	// header is what the answer says besides.
	header map[string]string
}

func (p *problem) Error() string { return string(p.Cause) + ": " + p.Detail }

// The causes that only paths which change something have.
const (
	CauseInvalidBody = Cause(ChangeCauseInvalidBody)
	CauseNotPossible = Cause(ChangeCauseNotPossible)
)

func newProblem(status int, cause Cause, title, detail string) *problem {
	return &problem{Problem: Problem{
		Type: "https://schemas.verdict.example/problems/" + string(cause), Title: title, Status: status, Detail: detail, Cause: cause,
	}}
}

// with returns the problem with a header.
func (p *problem) with(name, value string) *problem {
	p.header = map[string]string{name: value}
	return p
}

// asOf returns the problem with how far the tables were that know of no such thing.
func (p *problem) asOf(sequence uint64) *problem {
	return (&problem{Problem: p.Problem}).with(asOfHeader, strconv.FormatUint(sequence, 10))
}

// The problems that do not depend on the request, one for each cause but invalid_parameter.
var (
	errUnauthorized = newProblem(http.StatusUnauthorized, CauseUnauthorized, "Unauthorized",
		"Send the administrator's token in the header Authorization, as a Bearer token.").with("WWW-Authenticate", `Bearer realm="verdict"`)
	errMethod = newProblem(http.StatusMethodNotAllowed, CauseMethodNotAllowed, "Method not allowed",
		"This API is read with GET.").with("Allow", "GET, HEAD")
	errChangeMethod = newProblem(http.StatusMethodNotAllowed, CauseMethodNotAllowed, "Method not allowed",
		"This path is changed with POST.").with("Allow", "POST")
	errBothMethods = newProblem(http.StatusMethodNotAllowed, CauseMethodNotAllowed, "Method not allowed",
		"This path is read with GET and changed with POST.").with("Allow", "GET, HEAD, POST")
	errNoSuchPath = newProblem(http.StatusNotFound, CauseNotFound, "Not found",
		"There is nothing under this path.")
	errNoVerification = newProblem(http.StatusNotFound, CauseNotFound, "Not found",
		"There is no such verification. One that the provider sent as a test is found with sandbox=true.")
	errNoApplicant = newProblem(http.StatusNotFound, CauseNotFound, "Not found",
		"This provider has told of no such person. What it sent as a test is found with sandbox=true.")
	errPosition = newProblem(http.StatusConflict, CausePositionUnknown, "Position unknown",
		"The stream has no such position: it was made anew, or the position is of the other one, with or without sandbox=true. "+
			"Begin again with after=0, or read the lists and go on after their as_of_sequence.")
	errNothingYet = newProblem(http.StatusServiceUnavailable, CauseUnavailable, "Unavailable",
		"Nothing of the stream is in the tables yet. Ask again later.").with("Retry-After", "1")
	errTooManyStreams = newProblem(http.StatusServiceUnavailable, CauseTooManyStreams, "Too many streams",
		"As many follow the events as this process serves. Try again later.").with("Retry-After", "5")
	errUnavailable = newProblem(http.StatusServiceUnavailable, CauseUnavailable, "Unavailable",
		"The read model cannot be reached now. Ask again later.").with("Retry-After", "1")
	errBrokerAway = newProblem(http.StatusServiceUnavailable, CauseUnavailable, "Unavailable",
		"The broker cannot be reached now. Ask again later.").with("Retry-After", "1")
	errNoBroker = newProblem(http.StatusServiceUnavailable, CauseUnavailable, "Unavailable",
		"This process knows no broker, which this needs. Ask one that runs with VERDICT_NATS_URL.")
	errNoKeys = newProblem(http.StatusServiceUnavailable, CauseClaimsUnavailable, "Claims unavailable",
		"This process has no keys to open claims. Ask one that runs with the key directory and the master key.")
	errNoPseudonyms = newProblem(http.StatusServiceUnavailable, CauseKeysUnavailable, "Keys unavailable",
		"This reference looks like an e-mail address, a phone number or text, and so is known by a keyed hash alone, which this process has "+
			"no key to make. Ask one that runs with the key directory and the master key, or ask with the hash, h_ and 32 digits, as events show it.")
	errInternal = newProblem(http.StatusInternalServerError, CauseInternal, "Internal error",
		"The answer could not be made. The log says why.")
)

// invalid is the problem of a parameter that cannot be understood; want says what is allowed.
func invalid(parameter, want string) *problem {
	return newProblem(http.StatusBadRequest, CauseInvalidParameter, "Invalid parameter", "The parameter "+parameter+" "+want+".")
}

// wrongMethod is the problem of a path that has other methods.
func wrongMethod(read, change bool) *problem {
	switch {
	case read && change:
		return errBothMethods
	case change:
		return errChangeMethod
	default:
		return errMethod
	}
}

// problemOf is the one place where an error becomes an answer.
func problemOf(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, bus.ErrUnavailable):
		return errBrokerAway
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return errUnavailable
	default:
		return cmp.Or(replayProblem(err), repairProblem(err))
	}
}

// refuse answers with the problem of an error. What the caller cannot have caused is logged.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // The caller has gone.
	}
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		a.trouble.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "cause", p.Cause, "error", err)
	}
	header := w.Header()
	for name, value := range p.header {
		header.Set(name, value)
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	// A caller who has gone needs no answer.
	_ = json.NewEncoder(w).Encode(p.Problem)
}
