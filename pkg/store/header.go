package store

import (
	"encoding/json"
	"strings"
)

// A header is kept as JSON. Nearly all have nothing that JSON escapes: those are written and read here, all others by encoding/json.

// encodeHeader returns the JSON of a header, its names in any order.
func encodeHeader(header map[string][]string) (string, error) {
	if header == nil {
		return "null", nil
	}
	size := len("{}")
	for name, values := range header {
		size += len(`"":[],`) + len(name)
		usual := values != nil && isPlain(name)
		for _, value := range values {
			size += len(`"",`) + len(value)
			usual = usual && isPlain(value)
		}
		if !usual {
			text, err := json.Marshal(header)
			return string(text), err
		}
	}
	text := make([]byte, 0, size)
	text = append(text, '{')
	for name, values := range header {
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(append(append(text, '"'), name...), `":[`...)
		for i, value := range values {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(append(append(text, '"'), value...), '"')
		}
		text = append(text, ']')
	}
	return string(append(text, '}')), nil
}

// isPlain reports whether JSON holds the text as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if !plain[text[i]] {
			return false
		}
	}
	return true
}

// plain are the bytes that JSON holds as they are.
var plain = func() (all [256]bool) {
	for c := byte(' '); c <= '~'; c++ {
		all[c] = strings.IndexByte(`"\<>&`, c) < 0
	}
	return all
}()

// decodeHeader reads what encodeHeader has written, or anything else that is the JSON of a header.
func decodeHeader(text string) (map[string][]string, error) {
	if header, usual := plainHeader(text); usual {
		return header, nil
	}
	var header map[string][]string
	err := decode(text, &header)
	return header, err
}

// plainHeader reads a header with one value or more of each name, without spaces between them and without escapes.
func plainHeader(text string) (header map[string][]string, usual bool) {
	rest, ok := strings.CutPrefix(text, "{")
	if !ok {
		return nil, false
	}
	all := make([]string, 0, strings.Count(text, `":[`)) // of all values; the room for most headers
	header = make(map[string][]string, cap(all)+1)
	for {
		var name string
		if name, rest, ok = plainText(rest); !ok {
			return nil, false
		}
		if rest, ok = strings.CutPrefix(rest, ":["); !ok {
			return nil, false
		}
		first := len(all)
		for more := true; more; {
			var value string
			if value, rest, ok = plainText(rest); !ok {
				return nil, false
			}
			all = append(all, value)
			rest, more = strings.CutPrefix(rest, ",")
		}
		header[name] = all[first:len(all):len(all)]
		if rest, ok = strings.CutPrefix(rest, "]"); !ok {
			return nil, false
		}
		if rest == "}" {
			return header, true
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, false
		}
	}
}

// plainText reads a string of JSON without escapes.
func plainText(text string) (value, rest string, ok bool) {
	if text, ok = strings.CutPrefix(text, `"`); !ok {
		return "", "", false
	}
	value, rest, ok = strings.Cut(text, `"`)
	return value, rest, ok && isPlain(value)
}
