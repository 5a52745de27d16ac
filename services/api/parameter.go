package api

import (
	"regexp"
	"slices"
	"strconv"
	"time"
)

// parameter is what openapi.yaml says of a parameter in a query. None may be empty.
type parameter struct {
	name      string
	enum      []string       // all values, nil where that is no closed list
	pattern   *regexp.Regexp // of a name
	maxLength int            // of a free text, in bytes
	time      bool           // of RFC 3339
	number    bool
	minimum   int64
	maximum   int64
	byDefault string // what a parameter says that is not there; empty for nothing
	want      string // what a value is, where that needs words
}

// refusal says what is wrong with a value; it is empty where nothing is.
func (p parameter) refusal(value string) string {
	switch {
	case value == "":
		return "is empty; leave it out instead"
	case p.enum != nil && !slices.Contains(p.enum, value):
		return "must be one of " + list(p.enum)
	case p.pattern != nil && !p.pattern.MatchString(value):
		return "must be " + p.want
	case p.maxLength > 0 && len(value) > p.maxLength:
		return "is longer than " + strconv.Itoa(p.maxLength) + " bytes"
	case p.time && !isTime(value):
		return "must be a time of RFC 3339, such as 2026-01-31T12:00:00Z, with + as %2B"
	case p.number && !p.holds(value) && p.want != "":
		return "must be " + p.want
	case p.number && !p.holds(value):
		return "must be a number from " + strconv.FormatInt(p.minimum, 10) + " to " + strconv.FormatInt(p.maximum, 10)
	default:
		return ""
	}
}

func isTime(value string) bool {
	_, err := time.Parse(time.RFC3339, value)
	return err == nil
}

// holds reports whether a value is a number within the bounds.
func (p parameter) holds(value string) bool {
	n, err := strconv.ParseInt(value, 10, 64)
	return err == nil && p.minimum <= n && n <= p.maximum
}
