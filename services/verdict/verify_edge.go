package main

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/services/receiver"
)

// edge answers what the receiver refuses before it looks at the signature, in its order; the
// cause is empty where it goes on.
func (v *verified) edge(p *postedRequest, set *ProviderConfig) (cause event.Cause, status int, hint string) {
	if p.method != "" && p.method != http.MethodPost {
		return event.CauseMethodNotAllowed, http.StatusMethodNotAllowed, "the method is " + p.method + ", and webhooks are posted"
	}
	if hint := v.path(p.route, set); hint != "" {
		return event.CauseUnknownProvider, http.StatusNotFound, hint
	}
	if size := max(len(p.body), p.announce); size > receiver.BodyLimit {
		return event.CauseTooLarge, http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the body has %d bytes, and of more than %d none is taken", size, receiver.BodyLimit)
	}
	return "", 0, ""
}

// path says what is wrong with a path, without what is in it: that may be a token.
func (v *verified) path(r *route, set *ProviderConfig) (hint string) {
	setting := envPrefix + "URL_TOKEN_" + strings.ToUpper(v.Provider)
	token := ""
	if set != nil {
		token = set.URLToken.Reveal()
	}
	want := "/webhooks/" + v.Provider + "/[EVENT]"
	if token != "" {
		want = "/webhooks/" + v.Provider + "/" + tokenMark + "TOKEN/[EVENT]"
	}
	same := func(given string) bool { return subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1 }
	switch {
	case r == nil:
		if token != "" {
			v.Notes = append(v.Notes, setting+" is set, and no path was given: whether it has the token is not checked")
		}
		return ""
	case r.provider == "":
		return "the path does not name the provider: it is " + want
	case r.provider != v.Provider:
		return "the path is not that of " + v.Provider + ": it is " + want
	case token == "" && r.token != nil:
		return "the path has a URL token, and " + setting + " is not set here"
	case token != "" && r.token == nil && slices.ContainsFunc(r.rest, same):
		return "the URL token stands in the path without the " + tokenMark + " before it: the path is " + want
	case token != "" && r.token == nil:
		return "the path has no URL token, and " + setting + " is set: it is " + want
	case token != "" && !same(*r.token):
		return "the URL token in the path is not that of " + setting
	case len(r.rest) > 1:
		return "the path has too many parts: it is " + want
	}
	return ""
}
