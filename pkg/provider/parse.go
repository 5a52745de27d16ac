package provider

import (
	"encoding/json"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how many objects and arrays may be nested. It bounds the stack.
const maxDepth = 10_000

// ParseObject reads a body. It returns a DecodeError with CauseInvalidUTF8 or
// CauseInvalidJSON; the latter also for anything behind the object.
func ParseObject(body []byte) (Object, error) { return parseObject(body, nil) }

// ParseMembers is ParseObject for a reader who needs only some members: the others are read and
// checked in the same way, and left out.
func ParseMembers(body []byte, names ...string) (Object, error) { return parseObject(body, names) }

func parseObject(body []byte, names []string) (Object, error) {
	if !utf8.Valid(body) {
		return nil, &DecodeError{CauseInvalidUTF8, "body is not UTF-8"}
	}
	p := parser{text: body, only: names}
	value, ok := p.value(true)
	if !ok {
		return nil, &DecodeError{CauseInvalidJSON, "body is not JSON"}
	}
	if p.space(); p.at < len(body) {
		return nil, &DecodeError{CauseInvalidJSON, "body goes on behind its JSON value"}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, &DecodeError{CauseInvalidJSON, "body is not a JSON object"}
	}
	return object, nil
}

// maxHint bounds the members that room is made for before they are counted; bodies have fewer.
const maxHint = 256

// parser reads text that is UTF-8, as RFC 8259 says and as encoding/json reads it into an any,
// with numbers as json.Number. Its methods return false at the first byte that does not fit.
type parser struct {
	text  []byte
	at    int
	depth int
	only  []string // the members of the outermost object that are kept; all where it is nil

	// members and elements are those of the objects and arrays that are being read.
	members  []member
	elements []any
}

type member struct {
	name  string
	value any
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

// next skips white space and returns the byte behind it, without taking it; 0 at the end.
func (p *parser) next() byte {
	p.space()
	return p.peek()
}

func (p *parser) peek() byte {
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

// take takes the byte if it is the next one.
func (p *parser) take(c byte) bool {
	if p.at == len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

// value reads a value, which is nil unless it is kept.
func (p *parser) value(keep bool) (value any, ok bool) {
	switch c := p.next(); c {
	case '{', '[':
		if p.depth++; p.depth > maxDepth {
			return nil, false
		}
		p.at++
		if c == '{' {
			value, ok = p.object(keep)
		} else {
			value, ok = p.array(keep)
		}
		p.depth--
		return value, ok
	case '"':
		p.at++
		from, plain, ok := p.string()
		if !ok || !keep {
			return nil, ok
		}
		return unquote(p.text[from:p.at-1], plain), true
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	case 'n':
		return nil, p.word("null")
	default:
		from := p.at
		if !p.number() {
			return nil, false
		}
		if !keep {
			return nil, true
		}
		return json.Number(p.text[from:p.at]), true
	}
}

func (p *parser) word(word string) bool {
	if len(p.text)-p.at < len(word) || string(p.text[p.at:p.at+len(word)]) != word {
		return false
	}
	p.at += len(word)
	return true
}

// object reads what follows the opening brace.
func (p *parser) object(keep bool) (any, bool) {
	begin := len(p.members)
	outermost := p.depth == 1
	p.space()
	for closed := p.take('}'); !closed; {
		if p.space(); !p.take('"') {
			return nil, false
		}
		from, plain, ok := p.string()
		if !ok {
			return nil, false
		}
		name, kept := "", keep
		if keep {
			name, kept = p.name(p.text[from:p.at-1], plain, outermost)
		}
		if p.space(); !p.take(':') {
			return nil, false
		}
		value, ok := p.value(kept)
		if !ok {
			return nil, false
		}
		if kept {
			p.members = append(p.members, member{name, value})
		}
		p.space()
		if closed = p.take('}'); !closed && !p.take(',') {
			return nil, false
		}
	}
	if !keep {
		return nil, true
	}
	object := make(map[string]any, min(len(p.members)-begin, maxHint)) // a body may have one name a hundred thousand times
	for _, m := range p.members[begin:] {
		object[m.name] = m.value // of a duplicate the last one stays
	}
	clear(p.members[begin:])
	p.members = p.members[:begin]
	return object, true
}

// name returns the name of a member, and whether the member is kept.
func (p *parser) name(quoted []byte, plain, outermost bool) (string, bool) {
	if !outermost || p.only == nil {
		return unquote(quoted, plain), true
	}
	if !plain {
		name := unquote(quoted, plain)
		return name, slices.Contains(p.only, name)
	}
	for _, name := range p.only {
		if string(quoted) == name {
			return name, true
		}
	}
	return "", false
}

// array reads what follows the opening bracket.
func (p *parser) array(keep bool) (any, bool) {
	begin := len(p.elements)
	p.space()
	for closed := p.take(']'); !closed; {
		value, ok := p.value(keep)
		if !ok {
			return nil, false
		}
		if keep {
			p.elements = append(p.elements, value)
		}
		p.space()
		if closed = p.take(']'); !closed && !p.take(',') {
			return nil, false
		}
	}
	if !keep {
		return nil, true
	}
	array := make([]any, len(p.elements)-begin)
	copy(array, p.elements[begin:])
	clear(p.elements[begin:])
	p.elements = p.elements[:begin]
	return array, true
}

// special are the bytes that do not stand for themselves in a string.
var special = func() (special [256]bool) {
	for c := range ' ' {
		special[c] = true
	}
	special['"'], special['\\'] = true, true
	return special
}()

// string reads what follows an opening quote, through the closing one. It returns where it
// begins, and whether it has no escapes.
func (p *parser) string() (from int, plain, ok bool) {
	from, plain = p.at, true
	for {
		for p.at < len(p.text) && !special[p.text[p.at]] {
			p.at++
		}
		switch {
		case p.take('"'):
			return from, plain, true
		case !p.take('\\') || !p.escape():
			return from, false, false
		}
		plain = false
	}
}

// escape reads what follows a backslash.
func (p *parser) escape() bool {
	c := p.peek()
	p.at++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if len(p.text)-p.at < hexDigits {
			return false
		}
		_, ok := hex4(p.text[p.at:])
		p.at += hexDigits
		return ok
	}
	return false
}

// hexDigits is the number of digits of an escape like \u00e9.
const hexDigits = 4

func hex4(text []byte) (r rune, ok bool) {
	for _, c := range text[:hexDigits] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (p *parser) digits() bool {
	from := p.at
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > from
}

func (p *parser) number() bool {
	p.take('-')
	if !p.take('0') && !p.digits() {
		return false
	}
	if p.take('.') && !p.digits() {
		return false
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		return p.digits()
	}
	return true
}

// unquote returns the text of a string that was read, plain where it has no escapes.
func unquote(quoted []byte, plain bool) string {
	if plain {
		return string(quoted)
	}
	text := make([]byte, 0, len(quoted))
	for i := 0; i < len(quoted); {
		c := quoted[i]
		i++
		if c != '\\' {
			text = append(text, c)
			continue
		}
		c = quoted[i]
		i++
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(quoted[i:])
			i += hexDigits
			if utf16.IsSurrogate(r) {
				// Half of a pair stands for nothing, and takes nothing with it.
				r = utf16.DecodeRune(r, escaped(quoted[i:]))
				if r != utf8.RuneError {
					i += len(`\u`) + hexDigits
				}
			}
			text = utf8.AppendRune(text, r)
			continue
		}
		text = append(text, c)
	}
	return string(text)
}

// escaped returns the code unit that the text begins with as an escape, -1 where there is none.
func escaped(text []byte) rune {
	if len(text) < len(`\u`)+hexDigits || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	r, _ := hex4(text[len(`\u`):])
	return r
}
