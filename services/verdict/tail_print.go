package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// wantsColours tells whether somebody looks at the output who wants it coloured: see https://no-color.org.
func wantsColours(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && onTerminal(file)
}

// The colours of a terminal.
const (
	noColour = "\x1b[0m"
	faint    = "\x1b[2m"
	red      = "\x1b[31m"
	green    = "\x1b[32m"
	yellow   = "\x1b[33m"
	magenta  = "\x1b[35m"
)

// colourOf is how what an event is published under is shown.
func colourOf(published string) string {
	switch status := verification.Status(published); {
	case status == verification.Approved:
		return green
	case status == verification.Rejected:
		return red
	case status == verification.Suspected, status == verification.Inconclusive, published == verification.Overdue:
		return magenta
	case status.Final(), published == verification.Noted, published == verification.Anonymized:
		return faint
	}
	return yellow
}

// tailLine is one event for people.
func tailLine(m bus.Stored, v *event.Verification, published string, colours bool) string {
	name := fmt.Sprintf("%-15s", published)
	if colours {
		name = colourOf(published) + name + noColour
	}
	line := fmt.Sprintf("%8d  %s  %s  %s@%d", m.Seq, m.Time.UTC().Format("2006-01-02T15:04:05Z"), name, v.ID, v.Version)
	if more := tailDetails(v, published); len(more) > 0 {
		line += "  " + strings.Join(more, ", ")
	}
	return line + "\n"
}

// tailDetails is what else is worth a look.
func tailDetails(v *event.Verification, published string) []string {
	var more []string
	if published != string(v.Status) {
		more = append(more, "is "+string(v.Status))
	}
	if v.PreviousStatus != nil && *v.PreviousStatus != v.Status {
		more = append(more, "was "+string(*v.PreviousStatus))
	}
	if v.DecidedBy != nil {
		more = append(more, "by "+string(*v.DecidedBy))
	}
	if v.Preliminary != nil {
		more = append(more, "preliminary "+string(*v.Preliminary))
	}
	if v.Attempt > 1 {
		more = append(more, fmt.Sprintf("attempt %d", v.Attempt))
	}
	if v.Supersedes != nil {
		more = append(more, "supersedes "+string(v.Supersedes.Status))
	}
	var reasons []string
	for _, reason := range v.Reasons {
		if !slices.Contains(reasons, reason.Code) { // Several sources may give one.
			reasons = append(reasons, reason.Code)
		}
	}
	if len(reasons) > 0 {
		more = append(more, "reasons "+strings.Join(reasons, " "))
	}
	if len(v.Anomalies) > 0 {
		more = append(more, "anomalies "+strings.Join(v.Anomalies, " "))
	}
	return more
}

// tailJSON is one event for programs: the place, and then the members of the CloudEvent.
func tailJSON(m bus.Stored, envelope json.Marshaler) ([]byte, error) {
	place, err := json.Marshal(struct {
		Stream   string    `json:"stream"`
		Sequence uint64    `json:"sequence"`
		StoredAt time.Time `json:"stored_at"`
	}{m.Stream, m.Seq, m.Time.UTC()})
	if err != nil {
		return nil, err
	}
	members, err := envelope.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s,%s\n", place[:len(place)-1], members[1:]), nil
}
