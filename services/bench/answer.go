package bench

import (
	"bytes"
	"strconv"
)

// answer is what is looked at of an answer.
type answer struct {
	status int
	close  bool
}

func (a answer) outcome() string {
	if a.status == okStatus {
		return outcomeOK
	}
	return "status " + strconv.Itoa(a.status)
}

const okStatus = 200

var (
	statusPrefix  = []byte("HTTP/1.1 ")
	headEnd       = []byte("\r\n\r\n")
	lengthHeader  = []byte("\r\ncontent-length:")
	closingHeader = []byte("\r\nconnection: close")
)

const statusDigits = 3

// parseAnswer reads what there is of an answer that says its length, as those to webhooks do.
func parseAnswer(text []byte) (given answer, complete, broken bool) {
	end := bytes.Index(text, headEnd)
	if end < 0 {
		return answer{}, false, false
	}
	head := text[:end]
	rest, ok := bytes.CutPrefix(head, statusPrefix)
	if !ok || len(rest) < statusDigits {
		return answer{}, false, true
	}
	for _, c := range rest[:statusDigits] {
		if c < '0' || c > '9' {
			return answer{}, false, true
		}
		given.status = 10*given.status + int(c-'0')
	}
	at := indexFold(head, lengthHeader)
	if at < 0 {
		return answer{}, false, true
	}
	length := 0
	for _, c := range bytes.TrimLeft(head[at+len(lengthHeader):], " ") {
		if c == '\r' {
			break
		}
		if c < '0' || c > '9' || length > answerSize {
			return answer{}, false, true
		}
		length = 10*length + int(c-'0')
	}
	given.close = indexFold(head, closingHeader) >= 0
	have := len(text) - end - len(headEnd)
	return given, have == length, have > length
}

// indexFold finds what is in lower case in a text of any case.
func indexFold(text, lower []byte) int {
	for from := 0; ; from++ {
		next := bytes.IndexByte(text[from:], lower[0])
		if next < 0 {
			return -1
		}
		from += next
		if len(text)-from >= len(lower) && bytes.EqualFold(text[from:from+len(lower)], lower) {
			return from
		}
	}
}
