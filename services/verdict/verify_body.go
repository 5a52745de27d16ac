package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
)

// bodyChanges are what a body may have been before it was copied or passed on; itself comes
// first.
func bodyChanges(body []byte) []bodyChange {
	changes := []bodyChange{{"", body}}
	add := func(says string, value []byte) { changes = appendChange(changes, says, value) }
	add("one line feed less at the end of the body", bytes.TrimSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("\r")))
	add("no line feed at the end of the body", bytes.TrimRight(body, "\r\n"))
	add("a line feed at the end of the body", append(bytes.Clone(body), '\n'))
	add("a carriage return and a line feed at the end of the body", append(bytes.Clone(body), '\r', '\n'))
	add("no white space around the body", bytes.TrimSpace(body))
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	add("line feeds alone as the line ends of the body", unix)
	add("carriage returns before the line feeds of the body", bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")))
	add("no byte order mark before the body", bytes.TrimPrefix(body, []byte("\uFEFF")))
	if decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(body))); err == nil {
		add("the body decoded from base64", decoded)
	}
	return jsonChanges(changes)
}

// jsonChanges adds what programs do that read JSON and write it again.
func jsonChanges(changes []bodyChange) []bodyChange {
	body := changes[0].value
	if !json.Valid(body) {
		return changes
	}
	add := func(says string, value []byte) { changes = appendChange(changes, says, value) }
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		add("no white space between the values of the body", compact.Bytes())
		for _, blanks := range []string{"  ", "    ", "\t"} {
			var indented bytes.Buffer
			if json.Indent(&indented, compact.Bytes(), "", blanks) == nil {
				add("the body indented by "+indentation(blanks), indented.Bytes())
			}
		}
	}
	return reserialised(changes)
}

func indentation(blanks string) string {
	if blanks == "\t" {
		return "tabs"
	}
	return strconv.Itoa(len(blanks)) + " blanks"
}
