package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
)

// Replay is the CloudEvents extension that names the replay which an event comes from. It is all that tells a replayed event from the one that was
// published first: whoever must do a thing only once leaves out what has it.
const Replay = "replay"

// ReplayHeader is where a message has it.
const ReplayHeader = prefix + Replay

// SequenceHeader is where a replayed message has its position in the stream that is replayed.
const SequenceHeader = "Verdict-Sequence"

// ReplayOf returns the name of the replay that an event comes from, empty where it was published for the first time.
func ReplayOf(e cloudevents.Event) string { return text(e, Replay) }

// structured is an attribute in the order in which it is written: its header, and how it begins in JSON.
type structured struct {
	header, begin string
	optional      bool
}

func structuredAttribute(name string, optional bool) structured {
	return structured{prefix + name, `"` + name + `":`, optional}
}

// usualAttributes are those that a verification event has, and that CloudEvents itself names.
var usualAttributes = []structured{
	structuredAttribute("specversion", false), structuredAttribute("id", false), structuredAttribute("source", false),
	structuredAttribute("type", false), structuredAttribute("subject", true), structuredAttribute("time", true),
	structuredAttribute("datacontenttype", false), structuredAttribute("dataschema", true),
	structuredAttribute(extCausation, true), structuredAttribute(extTraceparent, true),
}

// AppendStructured appends a message in binary mode, as the streams hold it, to b in the structured mode of CloudEvents: one JSON object on one line,
// without the line feed, with the name of the replay that it comes from if there is one. It returns an error, and b as it was, where the message is not
// one of ours: with its attributes in lower case, and a JSON object on one line as its data, of which only the ends are looked at.
func AppendStructured(b []byte, header map[string][]string, data []byte, replay string) ([]byte, error) {
	begin := len(b)
	written := 0
	next := byte('{')
	for i := range usualAttributes {
		attribute := &usualAttributes[i]
		values := header[attribute.header]
		switch {
		case len(values) == 0 && attribute.optional:
			continue
		case len(values) == 0:
			return b[:begin], fmt.Errorf("write an event: there is no header %s", attribute.header)
		case !writable(values[0]):
			return b[:begin], fmt.Errorf("write an event: header %s is too long, or not UTF-8", attribute.header)
		}
		written++
		b = append(append(b, next), attribute.begin...)
		b = appendString(b, decodeValue(values[0]))
		next = ','
	}
	if header[specversion][0] != cloudevents.CloudEventsVersionV1 || header[prefix+"datacontenttype"][0] != jsonType || !isObject(data) {
		return b[:begin], fmt.Errorf("write an event: it is not one of version %s with a JSON object as its data", cloudevents.CloudEventsVersionV1)
	}
	for _, name := range otherAttributes(header, written) {
		extension, values := strings.TrimPrefix(name, prefix), header[name]
		if len(values) == 0 || !writable(values[0]) || !isExtension(extension) {
			return b[:begin], errors.New("write an event: an extension is not as it should be")
		}
		if extension != Replay {
			b = append(append(append(b, ',', '"'), extension...), `":`...)
			b = appendString(b, decodeValue(values[0]))
		}
	}
	if replay != "" {
		b = appendString(append(b, `,"`+Replay+`":`...), replay)
	}
	b = append(append(b, `,"data":`...), data...)
	return append(b, '}'), nil
}

func writable(value string) bool { return len(value) <= maxAttribute && utf8.ValidString(value) }

// isObject reports whether data looks like a JSON object on one line.
func isObject(data []byte) bool {
	return len(data) > 1 && data[0] == '{' && data[len(data)-1] == '}' && bytes.IndexByte(data, '\n') < 0
}

// otherAttributes returns the headers that hold attributes besides the usual ones, of which there are so many, sorted.
func otherAttributes(header map[string][]string, usual int) []string {
	count := 0
	for name := range header {
		if strings.HasPrefix(name, prefix) {
			count++
		}
	}
	if count == usual {
		return nil
	}
	var names []string
	for name := range header {
		if strings.HasPrefix(name, prefix) && !slices.ContainsFunc(usualAttributes, func(a structured) bool { return a.header == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isExtension reports whether a name is one that CloudEvents allows.
func isExtension(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && name != "data"
}

// appendString appends a text as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // A string always can be.
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
