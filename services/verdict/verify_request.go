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
	provider string // as the path names it, else empty
	segment  string
	header   http.Header
	body     []byte
	notes    []string // what is odd about the request itself
}

var (
	requestLine = regexp.MustCompile(`^[A-Z]+ (\S+)( HTTP/[0-9.]+)?\r?\n?$`)
	headerLine  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*:[^\r\n]*\r?\n?$`)
)

func bodyAlone(text []byte) (*postedRequest, error) {
	return &postedRequest{header: http.Header{}, body: text}, nil
}

// parseRequest reads a request as it was posted. The request line may be missing; a text that
// begins with no header either is a body alone. The body's bytes stay as they are.
func parseRequest(text []byte) (*postedRequest, error) {
	p := &postedRequest{header: http.Header{}}
	rest := text
	line := nextLine(rest)
	if m := requestLine.FindSubmatch(line); m != nil {
		p.path(string(m[1]))
		rest = rest[len(line):]
	} else if !headerLine.Match(line) {
		return bodyAlone(text)
	}
	for len(rest) > 0 {
		line = nextLine(rest)
		rest = rest[len(line):]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if err := p.add(string(line)); err != nil {
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

// add takes in one line of the headers.
func (p *postedRequest) add(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return errNoHeader
	}
	p.header.Add(name, strings.TrimSpace(value))
	return nil
}

// path takes the provider and the event from the path or URL that it was posted to.
func (p *postedRequest) path(target string) {
	target, _, _ = strings.Cut(target, "?")
	_, rest, ok := strings.Cut(target, "/webhooks/")
	if !ok {
		return
	}
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	p.provider, parts = parts[0], parts[1:]
	if len(parts) > 0 && strings.HasPrefix(parts[0], "~") {
		parts = parts[1:]
	}
	if len(parts) == 1 {
		p.segment = parts[0]
		if plain, err := url.PathUnescape(parts[0]); err == nil {
			p.segment = plain
		}
	}
}

// limit compares the body with the length that its sender gave. Line feeds that an editor put
// behind the body are left out.
func (p *postedRequest) limit() {
	length, err := strconv.Atoi(p.header.Get("Content-Length"))
	switch {
	case err != nil || length == len(p.body):
	case length < len(p.body) && len(bytes.Trim(p.body[length:], "\r\n")) == 0:
		p.notes = append(p.notes, fmt.Sprintf("%d bytes of line ends behind the Content-Length were left out", len(p.body)-length))
		p.body = p.body[:length]
	default:
		p.notes = append(p.notes, fmt.Sprintf("the body has %d bytes, and its Content-Length was %d: these are not the bytes that were posted", len(p.body), length))
	}
}
