package provider

import (
	"strings"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Token is the provider's name of an event as a part of a subject: lower case, dots and
// spaces as underscores. A name that could not stand in a subject is EventOther.
func Token(name string) string {
	if strings.Contains(name, " ") {
		name = strings.ReplaceAll(name, " ", "_")
	}
	token := strings.ToLower(strings.ReplaceAll(name, ".", "_"))
	if verification.Code(token) == verification.Unlisted || strings.ContainsAny(token, ".:") {
		return EventOther
	}
	return token
}

// Token returns the subject part of a name that the provider's folder lists, else EventOther.
func (p *Provider) Token(name string) string {
	for _, e := range p.Events {
		if e.Name == name {
			return Token(name)
		}
	}
	return EventOther
}
