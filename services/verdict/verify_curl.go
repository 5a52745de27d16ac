package main

import (
	"bytes"
	"regexp"
	"strings"
)

// curl -v shows what it sends behind `> `, what it gets behind `< `, and its own remarks behind
// `* `; with a progress meter, counts of bytes in braces.
var curlRemark = regexp.MustCompile(`^(\*( |\r?\n?$)|[{}] \[\d+ bytes data\])`)

const (
	curlSent = ">"
	curlGot  = "<"
)

// curled reports whether a text is what curl -v shows.
func curled(text []byte) bool {
	for len(text) > 0 {
		line := nextLine(text)
		if !curlRemark.Match(line) {
			sent, ok := strings.CutPrefix(string(line), curlSent+" ")
			return ok && (requestLine.MatchString(sent) || headerLine.MatchString(sent))
		}
		text = text[len(line):]
	}
	return false
}

// curl takes in the head of a request from what curl -v shows, and returns what was put behind
// it as the body: all up to what curl shows next.
func (p *postedRequest) curl(text []byte) (body []byte, err error) {
	for len(text) > 0 {
		line := nextLine(text)
		text = text[len(line):]
		sent, ok := strings.CutPrefix(string(line), curlSent)
		if !ok {
			continue
		}
		if sent = strings.TrimSpace(sent); sent == "" {
			break
		}
		if err := p.line(sent); err != nil {
			return nil, err
		}
	}
	for len(text) > 0 && curlRemark.Match(nextLine(text)) {
		text = text[len(nextLine(text)):]
	}
	for rest := text; len(rest) > 0; {
		line := nextLine(rest)
		if curlRemark.Match(line) || bytes.HasPrefix(line, []byte(curlGot+" ")) {
			return text[:len(text)-len(rest)], nil
		}
		rest = rest[len(line):]
	}
	return text, nil
}

// head takes in the head of a request alone: lines with or without what curl -v puts before.
func (p *postedRequest) head(text []byte) error {
	if curled(text) {
		_, err := p.curl(text)
		return err
	}
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if err := p.line(line); err != nil {
			return err
		}
	}
	return nil
}
