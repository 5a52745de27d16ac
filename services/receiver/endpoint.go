package receiver

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"github.com/verdict-stream/verdict/pkg/provider"
)

const (
	webhooksPath = "/webhooks/"
	// tokenMark begins the part of a path that is a URL token.
	tokenMark = "~"
	// maxSegment is the longest last part of a path that is handed to a provider's folder.
	maxSegment = 64
)

// What a caller without a secret can make durable as held webhooks, per provider.
const (
	heldPerSecond = 2
	heldBurst     = 100
	heldLimit     = 16 << 10 // bytes of a body; those that are documented have less than one
)

// endpoint is one provider's part of the receiver. No other provider's webhooks use what it
// bounds.
type endpoint struct {
	Served
	tokenHash [sha256.Size]byte
	events    map[string]bool // the tokens that a subject or a label may hold
	admission *admission
	// held limits how fast webhooks that nothing vouches for are made durable.
	held *rate.Limiter
	// labels and span are what is the same in the metrics and spans of all its webhooks.
	labels metric.MeasurementOption
	span   []trace.SpanStartOption
}

func newEndpoint(s Served) *endpoint {
	e := &endpoint{
		Served: s, tokenHash: sha256.Sum256([]byte(s.URLToken)), admission: newAdmission(),
		held:   rate.NewLimiter(heldPerSecond, heldBurst),
		events: map[string]bool{provider.EventOther: true, provider.EventUndecodable: true},
		labels: metric.WithAttributeSet(attribute.NewSet(byProvider(s.Provider.Name))),
		span: []trace.SpanStartOption{
			trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", http.MethodPost), attribute.String("http.route", route),
				attribute.String("verdict.provider", s.Provider.Name)),
		},
	}
	for _, event := range s.Provider.Events {
		e.events[s.Provider.Token(event.Name)] = true
	}
	return e
}

// find returns the endpoint that a path leads to and the last part of the path, which names
// the event for providers whose bodies do not. The name of the provider that the path begins
// with is returned if it is served at all, also where the token is wrong.
//
// Paths are matched here and not by http.ServeMux, which answers an unclean path with a
// redirect that repeats the token.
func (r *receiver) find(u *url.URL) (e *endpoint, segment, name string) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), webhooksPath)
	if !ok {
		return nil, "", ""
	}
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i, part := range parts {
		decoded, err := url.PathUnescape(part)
		if err != nil {
			return nil, "", ""
		}
		parts[i] = decoded
	}
	e, ok = r.endpoints[parts[0]]
	if !ok {
		return nil, "", ""
	}
	parts, ok = e.admits(parts[1:])
	if !ok || len(parts) > 1 {
		return nil, "", e.Provider.Name
	}
	if len(parts) == 1 && len(parts[0]) <= maxSegment {
		segment = parts[0]
	}
	return e, segment, e.Provider.Name
}

// admits checks the URL token and returns what follows it. A token where none is set is
// refused too: it shows that the setting got lost.
func (e *endpoint) admits(parts []string) ([]string, bool) {
	token, marked := "", false
	if len(parts) > 0 {
		token, marked = strings.CutPrefix(parts[0], tokenMark)
	}
	if e.URLToken == "" {
		return parts, !marked
	}
	given := sha256.Sum256([]byte(token))
	// Hashes are compared, so that the time tells nothing about the token's length either.
	same := subtle.ConstantTimeCompare(given[:], e.tokenHash[:]) == 1
	if !marked || !same {
		return nil, false
	}
	return parts[1:], true
}

// trusted tells whether the sender of a webhook without a signature is proven otherwise: who
// came this far has given the URL token where there is one.
func (e *endpoint) trusted() bool { return e.URLToken != "" }

// token returns an event that may stand in a subject and in a label.
func (e *endpoint) token(event string) string {
	if e.events[event] {
		return event
	}
	return provider.EventOther
}
