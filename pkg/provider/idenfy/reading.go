package idenfy

import (
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// reading is what a callback says.
type reading struct {
	says        string
	preliminary verification.Status
	reasons     []verification.Reason
	anomalies   []string
	unknown     []string // fields with a value that iDenfy's documents do not list
	// contradicted means that the URL says an ending and the body a decision. The URL is not
	// signed: where the same body came to another URL too, that one tells.
	contradicted bool
}

// read reads a callback that was posted to the URL of the event.
func read(event string, callback provider.Object) reading {
	status := callback.Object("status")
	r := reading{}
	r.reasons = r.reasonsOf(status)
	r.decide(event, callback, status)
	if len(r.unknown) > 0 {
		r.anomalies = append(r.anomalies, verification.AnomalyUnknownValue)
	}
	return r
}

// decide finds out what the callback says. The URL counts only where `final` is absent or
// null, and for who decided. A `final` that is no boolean never decides.
func (r *reading) decide(event string, callback, status provider.Object) {
	final := callback.Bool("final")
	switch {
	case final != nil && !*final:
		r.says = saysPreliminary
		r.preliminary = r.overall(status).opinion
		if slices.Contains([]string{manualFinish, canceled, expired}, event) {
			r.anomalies = append(r.anomalies, verification.AnomalyEventMismatch)
		}
	case final == nil && callback["final"] != nil:
		r.says = verification.SaysUnknown
		r.unlisted("final")
	case final == nil && event == canceled:
		r.end(saysCanceled, status)
	case final == nil && event == expired:
		r.end(saysExpired, status)
	case event == manualFinish || byHuman(status):
		r.says = r.overall(status).manual
	default:
		r.says = r.overall(status).auto
	}
}

// end takes the ending that the URL says. What the body says besides is noted.
func (r *reading) end(says string, status provider.Object) {
	r.says = says
	if status["overall"] == nil {
		return
	}
	switch r.overall(status).opinion {
	case verification.Approved, verification.Rejected, verification.Suspected:
		r.contradicted = true
		r.anomalies = append(r.anomalies, verification.AnomalyEventMismatch)
	}
}

// overall looks up status.overall, and counts it where it is not listed.
func (r *reading) overall(status provider.Object) overall {
	if o, ok := overalls[status.Text("overall")]; ok {
		return o
	}
	r.unlisted("overall")
	return overall{auto: verification.SaysUnknown, manual: verification.SaysUnknown}
}

// byHuman reports whether a reviewer left a result in the status.
func byHuman(status provider.Object) bool {
	for field, value := range status {
		if strings.HasPrefix(field, "manual") && value != nil && value != "" {
			return true
		}
	}
	return false
}

// unlisted counts a field, once for each callback.
func (r *reading) unlisted(field string) {
	if !slices.Contains(r.unknown, field) {
		r.unknown = append(r.unknown, field)
	}
}
