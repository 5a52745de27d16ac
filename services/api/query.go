package api

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultLimit = 50
	maxLimit     = 500
	// maxText is the longest value of a free parameter, in bytes: no reference that we keep is longer.
	maxText = 512
)

// query reads the parameters of a request. Each is asked for by its name; done reports the first that is wrong, or that nobody asked
// for: a misspelt filter must not answer with everything.
type query struct {
	values  url.Values
	known   []string
	problem *problem
}

func newQuery(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.problem = newProblem(http.StatusBadRequest, "invalid_parameter", "Invalid parameter", "The query is not percent-encoded as it should be.")
	}
	return q
}

// done returns what is wrong with the parameters, if anything is.
func (q *query) done() error {
	if q.problem != nil {
		return q.problem
	}
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			return newProblem(http.StatusBadRequest, "invalid_parameter", "Unknown parameter",
				"There is no parameter "+strconv.QuoteToASCII(shorten(name))+" here. Allowed are "+list(q.known)+".")
		}
	}
	return nil
}

// value returns a parameter, empty where it is not there.
func (q *query) value(name string) string {
	q.known = append(q.known, name)
	given, ok := q.values[name]
	switch {
	case !ok:
		return ""
	case len(given) > 1:
		q.invalid(name, "is given more than once")
	case given[0] == "":
		q.invalid(name, "is empty; leave it out instead")
	case len(given[0]) > maxText:
		q.invalid(name, "is longer than "+strconv.Itoa(maxText)+" bytes")
	}
	return given[0]
}

func (q *query) invalid(name, want string) {
	if q.problem == nil {
		q.problem = invalid(name, want)
	}
}

// word returns a parameter that is a name of ours: letters, digits and underscores.
func (q *query) word(name string) string {
	value := q.value(name)
	if value != "" && !word.MatchString(value) {
		q.invalid(name, "must be a name of lower-case letters, digits and underscores")
	}
	return value
}

var word = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// oneOf returns a parameter that is one of a closed list.
func oneOf[T ~string](q *query, name string, allowed ...T) T {
	value := T(q.value(name))
	if value != "" && !slices.Contains(allowed, value) {
		texts := make([]string, len(allowed))
		for i, a := range allowed {
			texts[i] = string(a)
		}
		q.invalid(name, "must be one of "+list(texts))
	}
	return value
}

// boolean returns a parameter that is true or false, nil where it is not there.
func (q *query) boolean(name string) *bool {
	switch oneOf(q, name, "true", "false") {
	case "true":
		return new(true)
	case "false":
		return new(false)
	default:
		return nil
	}
}

// sandbox reports whether the verifications of the provider's tests are meant.
func (q *query) sandbox() bool {
	given := q.boolean("sandbox")
	return given != nil && *given
}

// time returns a parameter that is a time, the zero time where it is not there.
func (q *query) time(name string) time.Time {
	value := q.value(name)
	if value == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		q.invalid(name, "must be a time of RFC 3339, such as 2026-01-31T12:00:00Z, with + as %2B")
	}
	return at
}

// limit returns how many rows a page may have.
func (q *query) limit() int {
	value := q.value("limit")
	if value == "" {
		return defaultLimit
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxLimit {
		q.invalid("limit", "must be a number from 1 to "+strconv.Itoa(maxLimit))
	}
	return n
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// shorten keeps an answer from repeating whatever length was sent.
func shorten(name string) string {
	const enough = 64
	if len(name) > enough {
		return name[:enough]
	}
	return name
}
