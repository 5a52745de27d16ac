package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// postedRequest is a webhook as it was posted, as far as it was given.
type postedRequest struct {
	source   string // the file
	method   string // empty where no request line was given
	route    *route // nil where no path of a webhook was given
	header   http.Header
	body     []byte
	announce int      // the Content-Length, -1 where none was given
	notes    []string // what is odd about the request itself
}

// route is the path of a webhook, of which the token is never shown.
type route struct {
	provider string // as the path names it, else empty
	token    *string
	rest     []string // what follows
}

var (
	requestLine = regexp.MustCompile(`^([A-Z]+) (\S+)( HTTP/[0-9.]+)?\r?\n?$`)
	headerLine  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*:[^\r\n]*\r?\n?$`)
)

func newPostedRequest() *postedRequest { return &postedRequest{header: http.Header{}, announce: -1} }

func bodyAlone(text []byte) (*postedRequest, error) {
	p := newPostedRequest()
	p.body = text
	return p, nil
}

// parseRequest reads a request as it was posted, or as curl -v shows it. The request line may
// be missing; a text that begins with no header either is a body alone. The body's bytes stay
// as they are.
func parseRequest(text []byte) (*postedRequest, error) {
	p := newPostedRequest()
	if curled(text) {
		var err error
		p.body, err = p.curl(text)
		if len(p.body) == 0 {
			p.notes = append(p.notes, "curl -v does not show the body: put it behind the empty line, or give it with --body and this as --headers-file")
		}
		return p, err
	}
	first := nextLine(text)
	if !requestLine.Match(first) && !headerLine.Match(first) {
		return bodyAlone(text)
	}
	rest := text
	for len(rest) > 0 {
		line := nextLine(rest)
		rest = rest[len(line):]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if err := p.line(string(line)); err != nil {
			return nil, err
		}
	}
	p.body = rest
	return p, nil
}

// nextLine is the first line of a text with what ends it.
func nextLine(text []byte) []byte {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	return text
}

var errNoHeader = errors.New("a header is not NAME: VALUE; the headers end with an empty line")

// line takes in a request line or a header.
func (p *postedRequest) line(line string) error {
	if m := requestLine.FindStringSubmatch(line); m != nil {
		p.method, p.route = m[1], parseRoute(m[2])
		return nil
	}
	return p.add(line)
}

// add takes in one line of the headers.
func (p *postedRequest) add(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return errNoHeader
	}
	p.header.Add(name, strings.TrimSpace(value))
	return nil
}

// parseRoute takes a path or URL apart as the receiver does. It returns nil for one that is not
// that of a webhook.
func parseRoute(target string) *route {
	target, _, _ = strings.Cut(target, "?")
	_, rest, ok := strings.Cut(target, "/webhooks/")
	if !ok {
		return nil
	}
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	r := &route{}
	if !strings.HasPrefix(parts[0], tokenMark) { // Else the provider is missing.
		r.provider, parts = parts[0], parts[1:]
	}
	if len(parts) > 0 {
		if token, marked := strings.CutPrefix(parts[0], tokenMark); marked {
			r.token, parts = &token, parts[1:]
		}
	}
	r.rest = parts
	return r
}

// tokenMark begins the part of a path that is a URL token.
const tokenMark = "~"

// segment is the part of the path that names the event.
func (p *postedRequest) segment() string {
	if p.route != nil && len(p.route.rest) == 1 {
		return p.route.rest[0]
	}
	return ""
}

// limit compares the body with the length that its sender gave. Line feeds that an editor put
// behind the body are left out.
func (p *postedRequest) limit() {
	length, err := strconv.Atoi(p.header.Get("Content-Length"))
	if err != nil || length < 0 {
		return
	}
	p.announce = length
	switch {
	case length == len(p.body):
	case length < len(p.body) && len(bytes.Trim(p.body[length:], "\r\n")) == 0:
		p.notes = append(p.notes, fmt.Sprintf("%d bytes of line ends behind the Content-Length were left out", len(p.body)-length))
		p.body = p.body[:length]
	default:
		p.notes = append(p.notes, fmt.Sprintf("the body has %d bytes, and its Content-Length was %d: these are not the bytes that were posted", len(p.body), length))
	}
}
