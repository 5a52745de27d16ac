package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// query reads the parameters of a request, which are those of its path. An endpoint asks for each by its name; done reports the first that
// is wrong, or that nobody knows: a misspelt filter must not answer with everything.
type query struct {
	table   []parameter
	values  url.Values
	allowed map[string]string // the values that are as they should be, defaults included
	read    []string
	problem *problem
}

func newQuery(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{table: parameters[r.Pattern], values: values, allowed: map[string]string{}}
	if err != nil {
		q.problem = newProblem(http.StatusBadRequest, CauseInvalidParameter, "Invalid parameter", "The query is not percent-encoded as it should be.")
	}
	for _, p := range q.table {
		given, ok := values[p.name]
		switch {
		case !ok:
			q.allowed[p.name] = p.byDefault
		case len(given) > 1:
			q.invalid(p.name, "is given more than once")
		default:
			q.allow(p, p.name, given[0])
		}
	}
	return q
}

// allow takes a value that is called as it is where it comes from.
func (q *query) allow(p parameter, called, value string) {
	if refusal := p.refusal(value); refusal != "" {
		q.invalid(called, refusal)
		return
	}
	q.allowed[p.name] = value
}

func (q *query) invalid(name, want string) {
	if q.problem == nil {
		q.problem = invalid(name, want)
	}
}

// errNotRead means that an endpoint and the table of its path are not about the same parameters. No caller has ever caused it.
var errNotRead = errors.New("the endpoint does not read the parameters of its path")

// done returns what is wrong with the parameters, if anything is. All have been asked for before.
func (q *query) done() error {
	names := make([]string, len(q.table))
	for i, p := range q.table {
		names[i] = p.name
	}
	if !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(q.read))) {
		return errNotRead
	}
	if q.problem != nil {
		return q.problem
	}
	for name := range q.values {
		if !slices.Contains(names, name) {
			return newProblem(http.StatusBadRequest, CauseInvalidParameter, "Unknown parameter",
				"There is no parameter "+strconv.QuoteToASCII(shorten(name))+" here. Allowed are "+list(names)+".")
		}
	}
	return nil
}

// text returns a parameter as it is, empty where it is not there or wrong.
func (q *query) text(name string) string {
	q.read = append(q.read, name)
	return q.allowed[name]
}

// reference returns a parameter that is a reference from outside, as it is stored.
func (q *query) reference(name string, keys *seal.Keyring) string {
	return q.stored(q.text(name), keys)
}

// stored returns how a reference from outside stands in the tables: as it is, or as the keyed hash that the lifecycle has made of it.
func (q *query) stored(reference string, keys *seal.Keyring) string {
	hash := func(text string) string {
		if keys != nil {
			return keys.Pseudonym(text)
		}
		if q.problem == nil {
			q.problem = errNoPseudonyms
		}
		return ""
	}
	return verification.Pseudonymous(reference, hash)
}

// boolean returns a parameter that is true or false, nil where it is not there.
func (q *query) boolean(name string) *bool {
	value, err := strconv.ParseBool(q.text(name))
	if err != nil {
		return nil
	}
	return &value
}

// sandbox reports whether the verifications of the provider's tests are meant.
func (q *query) sandbox() bool {
	given := q.boolean("sandbox")
	return given != nil && *given
}

// time returns a parameter that is a time, the zero time where it is not there.
func (q *query) time(name string) time.Time {
	at, _ := time.Parse(time.RFC3339, q.text(name)) // It has been tried.
	return at
}

// limit returns how many rows a page may have.
func (q *query) limit() int {
	n, _ := strconv.Atoi(q.text("limit")) // It has been tried.
	return n
}

// after returns the position after which to begin, nil where nothing says. The header Last-Event-ID says it as the parameter does, and
// beats it.
func (q *query) after(r *http.Request) *uint64 {
	const name = "after"
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		q.allow(q.parameter(name), "Last-Event-ID", last)
	}
	at, err := strconv.ParseInt(q.text(name), 10, 64)
	if err != nil {
		return nil
	}
	return new(uint64(at))
}

func (q *query) parameter(name string) parameter {
	return q.table[slices.IndexFunc(q.table, func(p parameter) bool { return p.name == name })]
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
