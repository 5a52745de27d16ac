package event

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

// MessageID is the header by which JetStream finds duplicates; it repeats the event's id.
const MessageID = "Nats-Msg-Id"

const (
	prefix       = "ce-"
	contentType  = "content-type"
	specversion  = prefix + "specversion"
	octets       = "application/octet-stream"
	jsonType     = "application/json"
	maxAttribute = 4096 // bytes of an encoded attribute that we read
)

// Encode writes an event in the binary mode of the CloudEvents NATS binding, version 1.0.2:
// one lower-case `ce-` header for each attribute, its value percent-encoded as §3.1.3.2
// says; the data as it is.
func Encode(e cloudevents.Event) (header map[string][]string, data []byte, err error) {
	if err := valid(e); err != nil {
		return nil, nil, err
	}
	header = map[string][]string{MessageID: {e.ID()}}
	set := func(name, value string) {
		if value != "" {
			header[name] = []string{encodeValue(value)}
		}
	}
	set(specversion, e.SpecVersion())
	set(prefix+"id", e.ID())
	set(prefix+"source", e.Source())
	set(prefix+"type", e.Type())
	set(prefix+"subject", e.Subject())
	set(prefix+"dataschema", e.DataSchema())
	set(prefix+"datacontenttype", e.DataContentType())
	set(contentType, e.DataContentType())
	if !e.Time().IsZero() {
		set(prefix+"time", types.FormatTime(e.Time()))
	}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			return nil, nil, fmt.Errorf("extension %s: %w", name, err)
		}
		set(prefix+name, text)
	}
	return header, e.Data(), nil
}

// Decode reads an event in binary mode. Header names are read in any case, since servers and
// clients on the way may have changed it. It returns an error where the event is not valid.
func Decode(header map[string][]string, data []byte) (cloudevents.Event, error) {
	attributes := make(map[string]string, len(header))
	for spelling, values := range header {
		name := strings.ToLower(spelling)
		// Of several spellings of one name the lower-case one, which is ours, stands.
		if _, ours := header[name]; ours && spelling != name {
			continue
		}
		if (strings.HasPrefix(name, prefix) || name == contentType) && len(values) > 0 {
			if len(values[0]) > maxAttribute {
				return cloudevents.Event{}, fmt.Errorf("header %s is too long", name)
			}
			if !utf8.ValidString(values[0]) {
				return cloudevents.Event{}, fmt.Errorf("header %s is not UTF-8", name)
			}
			attributes[name] = decodeValue(values[0])
		}
	}
	// The SDK cannot hold the attributes of another version, or of a message without one.
	if attributes[specversion] != cloudevents.CloudEventsVersionV1 {
		return cloudevents.Event{}, fmt.Errorf("header %s is not %s", specversion, cloudevents.CloudEventsVersionV1)
	}
	// The binding has the content type twice; that of the message stands.
	if _, both := attributes[contentType]; both {
		delete(attributes, prefix+"datacontenttype")
	}
	e := cloudevents.New()
	for name, value := range attributes {
		if err := setAttribute(&e, name, value); err != nil {
			return e, err
		}
	}
	e.DataEncoded = data
	return e, valid(e)
}

func setAttribute(e *cloudevents.Event, name, value string) error {
	switch name {
	case specversion:
	case prefix + "id":
		e.SetID(value)
	case prefix + "source":
		e.SetSource(value)
	case prefix + "type":
		e.SetType(value)
	case prefix + "subject":
		e.SetSubject(value)
	case prefix + "dataschema":
		e.SetDataSchema(value)
	case prefix + "datacontenttype", contentType:
		e.SetDataContentType(value)
	case prefix + "time":
		t, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return fmt.Errorf("header %s: not a time", name)
		}
		e.SetTime(t)
	default:
		e.SetExtension(strings.TrimPrefix(name, prefix), value)
	}
	return nil
}

// encodeValue percent-encodes what the binding asks for: everything outside of printable
// ASCII, and space, double quote and percent.
func encodeValue(s string) string {
	n := 0
	for n < len(s) && !encoded(s[n]) {
		n++
	}
	if n == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:n])
	for i := n; i < len(s); i++ {
		if encoded(s[i]) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func encoded(c byte) bool { return c <= ' ' || c >= 0x7F || c == '"' || c == '%' }

// decodeValue reverses encodeValue, tolerant of text that was not encoded.
func decodeValue(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	decoded, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(decoded) {
		return s
	}
	return decoded
}
