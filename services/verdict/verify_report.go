package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
)

// writeVerified prints the results.
func writeVerified(out io.Writer, results []*verified, asJSON bool) error {
	if asJSON {
		return writeIndented(out, results)
	}
	w := bufio.NewWriter(out)
	for i, v := range results {
		if i > 0 {
			fmt.Fprintln(w)
		}
		v.write(w)
	}
	return w.Flush()
}

// line prints one line under a heading, without a heading the continuation of the one above.
func line(w io.Writer, heading, format string, args ...any) {
	fmt.Fprintf(w, "%-11s%s\n", heading, fmt.Sprintf(format, args...))
}

func (v *verified) write(w io.Writer) {
	line(w, "webhook", "%s of %s", v.Source, v.Provider)
	for _, note := range v.Notes {
		line(w, "note", "%s", note)
	}
	line(w, "scheme", "%s in %s, in the %s", v.Scheme.Algorithm, v.Scheme.Encoding, v.Scheme.Place)
	if v.Scheme.Prefix != "" {
		line(w, "", "behind %q", v.Scheme.Prefix)
	}
	line(w, "", "signed is %s", v.Scheme.Message)
	line(w, "body", "%v", v.Body)
	for i, message := range v.Messages {
		matched := ""
		if v.Matched == i+1 {
			matched = ", which is signed"
		}
		line(w, "tried over", "%v%s", message, matched)
	}
	if len(v.Messages) == 0 {
		line(w, "tried over", "nothing: the body does not hold what is signed")
	}
	switch {
	case v.Secret > 0:
		line(w, "signature", "secret %d of %d fits (%s)", v.Secret, v.Secrets, v.SecretsFrom)
	case v.Unsigned:
		line(w, "signature", "none: this event may come without")
	default:
		line(w, "signature", "no secret of %d fits (%s)", v.Secrets, v.SecretsFrom)
	}
	for _, hint := range v.Hints {
		line(w, "", "- %s", hint)
	}
	line(w, "answer", "%d %s: %s", v.Status, http.StatusText(v.Status), v.Result)
	if v.Family != "" {
		v.writeContent(w)
	}
}

// String is how a fingerprint is printed.
func (f fingerprint) String() string { return fmt.Sprintf("%d bytes, SHA-256 %s", f.Bytes, f.SHA256) }

// writeContent prints what an accepted webhook says.
func (v *verified) writeContent(w io.Writer) {
	line(w, "id", "%s", v.ID)
	line(w, "event", "%s, for %s", v.Event, v.Family)
	if v.Outcome != "" {
		line(w, "outcome", "%s", v.Outcome)
	}
	for _, r := range v.Remembered {
		line(w, "remembers", "the signed payload of signal %s, said at %s:", r.Signal, r.At.Format(time.RFC3339))
		line(w, "", "the name of the event is not signed, so the payload could come again under that of one that decides;")
		line(w, "", "it then counts as said when it was first seen, and not as news")
	}
	for _, part := range v.Elements {
		line(w, "tells of", "%s", part.Verification)
		line(w, "signal", "%s", indent(part.Signal))
		switch {
		case part.Claims != nil:
			line(w, "claims", "%s", indent(part.Claims))
		case part.HasClaims:
			line(w, "claims", "there are some; --claims prints them")
		}
		switch {
		case part.Reused:
			line(w, "comes to", "nothing: the payload was seen for another verification")
		case part.SeenBefore && part.State != nil:
			line(w, "comes to", "%s,", summary(part.State, part.Published))
			line(w, "", "dated back to %s, when the payload was seen first, under an event that tells of nothing", part.Signal.At.Format(time.RFC3339))
		case part.State != nil:
			line(w, "comes to", "%s", summary(part.State, part.Published))
		case v.Result == answerAccepted:
			line(w, "comes to", "nothing new")
		}
	}
}

// indent is JSON whose further lines stand under the first.
func indent(value any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(strings.Repeat(" ", 11), "  ")
	if err := encoder.Encode(value); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// summary is an event in a line.
func summary(e *event.Verification, published string) string {
	finality := "not final"
	if e.Final {
		finality = "final"
	}
	text := fmt.Sprintf("version %d, published as %s: %s, %s, attempt %d", e.Version, published, e.Status, finality, e.Attempt)
	if e.DecidedBy != nil {
		text += ", by " + string(*e.DecidedBy)
	}
	if e.PreviousStatus != nil {
		text += ", before it " + string(*e.PreviousStatus)
	}
	if len(e.Anomalies) > 0 {
		text += ", anomalies " + strings.Join(e.Anomalies, " ")
	}
	return text
}
