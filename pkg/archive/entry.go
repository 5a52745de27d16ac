package archive

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// The CloudEvents extensions of a line.
const (
	extSequence = "sequence"
	extStoredAt = "storedat"
)

// verificationType is what the type of a verification event begins with; the status that it was published under follows.
const verificationType = "kyc.v1.verification."

// Entry is one event of an archive.
type Entry struct {
	Sequence uint64
	StoredAt time.Time
	// Published is the status that the event was published under.
	Published string
	Data      event.Verification
	// Line is the event as it stands in the file, without the line's end. It is valid until the function that was given the entry returns.
	Line []byte
}

// newLine makes the line of a message, with its end.
func newLine(m bus.Stored) ([]byte, string, error) {
	envelope, err := event.Decode(m.Header, m.Data)
	if err != nil {
		return nil, "", fmt.Errorf("message %d of %s is no event: %w", m.Seq, m.Stream, err)
	}
	if _, _, err := event.VerificationOf(envelope); err != nil {
		return nil, "", fmt.Errorf("message %d of %s is no event: %w", m.Seq, m.Stream, err)
	}
	envelope.SetExtension(extSequence, strconv.FormatUint(m.Seq, 10))
	envelope.SetExtension(extStoredAt, m.Time.UTC().Format(time.RFC3339Nano))
	line, err := json.Marshal(envelope)
	if err != nil {
		return nil, "", fmt.Errorf("message %d of %s: %w", m.Seq, m.Stream, err)
	}
	return append(line, '\n'), envelope.Subject(), nil
}

// head is what a line says besides the data.
type head struct {
	Subject  string    `json:"subject"`
	Type     string    `json:"type"`
	Sequence string    `json:"sequence"`
	StoredAt time.Time `json:"storedat"`
}

// parse reads a line.
func parse(line []byte) (Entry, error) {
	var read struct {
		head
		Data event.Verification `json:"data"`
	}
	if err := json.Unmarshal(line, &read); err != nil {
		return Entry{}, fmt.Errorf("%w: a line cannot be read", ErrDamaged)
	}
	published, ok := strings.CutPrefix(read.Type, verificationType)
	seq, err := strconv.ParseUint(read.Sequence, 10, 64)
	if !ok || err != nil || read.Data.ID == "" {
		return Entry{}, fmt.Errorf("%w: a line is no event", ErrDamaged)
	}
	return Entry{Sequence: seq, StoredAt: read.StoredAt, Published: published, Data: read.Data, Line: line}, nil
}
