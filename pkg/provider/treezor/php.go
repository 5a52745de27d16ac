package treezor

import (
	"encoding/hex"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// phpForm writes a JSON value as PHP's json_encode does by default: without white space, `/`
// as `\/`, every UTF-16 unit beyond ASCII as `\u` and four lower-case hexadecimal digits.
// The order of members and the text of numbers stay as they were received, so nothing is
// decoded but the strings. An escape for half a character, which PHP would not read, stays as
// it is. Values that are equal but for white space and the writing of their strings have one
// form; the form of a form is itself. The value must be JSON: of anything else the form means
// nothing.
func phpForm(value []byte) []byte {
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); {
		switch c := value[i]; c {
		case '"':
			out, i = appendString(out, value, i)
		case ' ', '\t', '\n', '\r':
			i++
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}

// appendString writes the string that begins at the given quote, and returns the position
// behind it.
func appendString(out, value []byte, i int) ([]byte, int) {
	out = append(out, '"')
	for i++; i < len(value); {
		switch value[i] {
		case '"':
			return append(out, '"'), i + 1
		case '\\':
			out, i = appendEscape(out, value, i)
		default:
			r, size := utf8.DecodeRune(value[i:])
			if r == utf8.RuneError && size == 1 {
				out = append(out, value[i])
			} else {
				out = appendRune(out, r)
			}
			i += size
		}
	}
	return out, i
}

// unescaped are the characters behind a backslash that stand for one character.
var unescaped = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// unicodeEscape is the length of an escape like \u00e9.
const unicodeEscape = 6

// appendEscape writes the character that the escape at the position stands for.
func appendEscape(out, value []byte, i int) ([]byte, int) {
	if high, ok := unit(value, i); ok {
		if !utf16.IsSurrogate(high) {
			return appendRune(out, high), i + unicodeEscape
		}
		low, _ := unit(value, i+unicodeEscape)
		if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
			return appendRune(out, r), i + 2*unicodeEscape
		}
		return append(out, value[i:i+unicodeEscape]...), i + unicodeEscape
	}
	if i+1 < len(value) {
		if r, ok := unescaped[value[i+1]]; ok {
			return appendRune(out, r), i + 2
		}
	}
	return append(out, '\\'), i + 1
}

// unit reads the UTF-16 unit of the escape at a position; false where there is none.
func unit(value []byte, i int) (rune, bool) {
	if i+unicodeEscape > len(value) || value[i] != '\\' || value[i+1] != 'u' {
		return 0, false
	}
	var b [2]byte
	if _, err := hex.Decode(b[:], value[i+2:i+unicodeEscape]); err != nil {
		return 0, false
	}
	return rune(b[0])<<8 | rune(b[1]), true
}

// escapes are the characters of ASCII that PHP writes with a backslash and one letter.
var escapes = map[rune]string{
	'"': `\"`, '\\': `\\`, '/': `\/`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`,
}

// appendRune writes one character of a string.
func appendRune(out []byte, r rune) []byte {
	if escape, ok := escapes[r]; ok {
		return append(out, escape...)
	}
	switch {
	case r < ' ', utf8.RuneLen(r) > 1 && r <= 0xffff:
		return fmt.Appendf(out, `\u%04x`, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
	default:
		return append(out, byte(r))
	}
}
