package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// reserialised adds what programs make of a body that read its JSON and write it again: with
// the characters beyond ASCII escaped or not, slashes as well, with white space or without. One
// that reads into a map and changes the order of the members or the numbers is not found.
func reserialised(changes []bodyChange) []bodyChange {
	body := changes[0].value
	spaces := []bodyChange{{"", body}}
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		spaces = append(spaces,
			bodyChange{"without white space", compact.Bytes()},
			bodyChange{"with a blank behind each comma and colon", spaced(compact.Bytes())})
	}
	for _, space := range spaces {
		for _, c := range characters(space.value) {
			for _, s := range slashes(c.value) {
				says := c.says
				for _, more := range []string{s.says, space.says} {
					switch {
					case more == "":
					case says == "":
						says = "the body " + more
					default:
						says += ", " + more
					}
				}
				changes = appendChange(changes, says, s.value)
			}
		}
	}
	return changes
}

// characters are the ways in which the characters beyond ASCII can be written; as they are
// comes first.
func characters(body []byte) []bodyChange {
	plain := unescaped(body)
	return []bodyChange{
		{"", body},
		{`the body with the characters beyond ASCII as they are, in place of \u and their number`, plain},
		{`the body with \u and their number in place of the characters beyond ASCII`, escaped(plain, `\u%04x`)},
		{`the body with \u and their number, in capitals, in place of the characters beyond ASCII`, escaped(plain, `\u%04X`)},
	}
}

func slashes(body []byte) []bodyChange {
	plain := bytes.ReplaceAll(body, []byte(`\/`), []byte("/"))
	return []bodyChange{
		{"", body},
		{"with plain slashes", plain},
		{"with escaped slashes", bytes.ReplaceAll(plain, []byte("/"), []byte(`\/`))},
	}
}

// spaced puts a blank behind each comma and colon between the values of compact JSON.
func spaced(compact []byte) []byte {
	var out []byte
	quoted := false
	for i := 0; i < len(compact); i++ {
		c := compact[i]
		out = append(out, c)
		switch {
		case quoted && c == '\\' && i+1 < len(compact):
			i++
			out = append(out, compact[i])
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ':'):
			out = append(out, ' ')
		}
	}
	return out
}

// escaped writes every character beyond ASCII as its UTF-16 units.
func escaped(body []byte, form string) []byte {
	var out []byte
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		switch {
		case r < utf8.RuneSelf || r == utf8.RuneError && size == 1:
			out = append(out, body[:size]...)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, form, unit)
			}
		}
		body = body[size:]
	}
	return out
}

// unescaped writes every character that stands as \u and its number as itself, but for those
// that JSON does not allow so.
func unescaped(body []byte) []byte {
	var out []byte
	for i := 0; i < len(body); {
		if body[i] != '\\' || i+1 == len(body) {
			out = append(out, body[i])
			i++
			continue
		}
		high, ok := utf16Unit(body[i:])
		if !ok {
			out = append(out, body[i:i+2]...)
			i += 2
			continue
		}
		r, length := high, unitLength
		if utf16.IsSurrogate(high) {
			low, _ := utf16Unit(body[i+unitLength:])
			r, length = utf16.DecodeRune(high, low), 2*unitLength
		}
		if r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError {
			out = append(out, body[i:i+unitLength]...)
			i += unitLength
			continue
		}
		out = utf8.AppendRune(out, r)
		i += length
	}
	return out
}

// unitLength is that of an escape like \u00e9.
const unitLength = 6

// utf16Unit reads the escape that a text begins with.
func utf16Unit(text []byte) (rune, bool) {
	var unit [2]byte
	if len(text) < unitLength || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	if _, err := hex.Decode(unit[:], text[2:unitLength]); err != nil {
		return 0, false
	}
	return rune(unit[0])<<8 | rune(unit[1]), true
}
