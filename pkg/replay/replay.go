// Package replay sends verification events once more, for teams that start late or have lost something: to a stream of its own, to a file, or to
// an HTTP endpoint.
//
// Its invariants:
//
//   - A plan writes nothing, neither here nor on the broker. A run that would send nothing is refused before anything is made.
//   - What is sent is the event as it was published, with the extension that names the replay and nothing else changed, in the order of the stream.
//   - What a run sends is settled when it is created: events that are published meanwhile are no part of it.
//   - A run that is interrupted, however, goes on where it was: a file and a stream have every event once, an endpoint at least once.
//   - A file appears under its name only when it is whole. A run that is cancelled leaves nothing of its file or stream.
//   - The book of runs holds no secret: credentials are in files, of which the book has the names.
//   - Memory does not grow with the length of a replay.
package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/runs"
)

// Verb is what replays are called in the book of runs.
const Verb = "replay"

// From where a run was asked for: its worker is there, too.
const (
	ViaCLI = "cli"
	ViaAPI = "api"
)

var (
	// ErrRequest means that what is asked for makes no sense; the text says what to change.
	ErrRequest = errors.New("this cannot be replayed")
	// ErrNothing means that no event is chosen.
	ErrNothing = errors.New("nothing matches")
	// ErrTrimmed means that the stream does not reach back as far as was asked.
	ErrTrimmed = errors.New("the stream no longer reaches back that far")
	// ErrOverlap means that another run sends to the same target.
	ErrOverlap = errors.New("another run has this target")
)

// Request is what somebody asks for. The zero values stand for everything.
type Request struct {
	Sandbox bool
	Filter  Filter
	// Since and Until bound the time at which the stream stored the events; Until is the first moment that is not meant.
	Since, Until time.Time
	// From and Through bound the sequences, both ends included.
	From, Through uint64
	// FromFirst accepts that the stream no longer reaches back that far.
	FromFirst bool
	// Target is where the events go: "subject", "file:PATH", or an http or https URL.
	Target string
	// Rate is how many events a second are sent at most; 0 for as many as possible.
	Rate float64
	// Keep is how long the messages of a stream are kept.
	Keep time.Duration
	// BearerFile holds a token, and HeaderFile lines such as "X-Api-Key: …", for an endpoint.
	BearerFile, HeaderFile string
}

// DefaultKeep is how long the messages of a replay's stream are kept where nobody says.
const DefaultKeep = 72 * time.Hour

// Spec is a request as the book keeps it: with everything settled.
type Spec struct {
	Stream string `json:"stream"`
	// Identity is that of the stream, whose sequences From and Through are.
	Identity string     `json:"identity"`
	Filter   Filter     `json:"filter"`
	Since    *time.Time `json:"since,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	From     uint64     `json:"from"`
	Through  uint64     `json:"through"`
	Target   string     `json:"target"`
	Rate     float64    `json:"rate,omitempty"`
	// KeepSeconds is for a stream.
	KeepSeconds int64  `json:"keep_seconds,omitempty"`
	BearerFile  string `json:"bearer_file,omitempty"`
	HeaderFile  string `json:"header_file,omitempty"`
	Via         string `json:"via"`
}

// Keep is how long the messages of the stream are kept.
func (s *Spec) Keep() time.Duration { return time.Duration(s.KeepSeconds) * time.Second }

// Detail is what a worker keeps besides its position.
type Detail struct {
	// Host is where it last worked.
	Host string `json:"host,omitempty"`
	// Begun says that the target is of this run's making.
	Begun bool `json:"begun,omitempty"`
	// Bytes are how many a file has that count, or how many of data were sent.
	Bytes int64 `json:"bytes"`
	// Rate is how many events a second it sends, or sent last.
	Rate float64 `json:"rate"`
}

// SpecOf reads what was asked for.
func SpecOf(r runs.Run) (Spec, error) {
	var s Spec
	if err := json.Unmarshal(r.Spec, &s); err != nil {
		return s, fmt.Errorf("replay %s: read the book: %w", r.Name, err)
	}
	return s, nil
}

// DetailOf reads what its worker keeps.
func DetailOf(r runs.Run) Detail {
	var d Detail
	_ = json.Unmarshal(r.Detail, &d) // A worker that has not begun has noted nothing.
	return d
}

// Left is how long the run will take at its rate, 0 where nothing tells.
func Left(r runs.Run) time.Duration {
	d := DetailOf(r)
	if d.Rate <= 0 || r.Done >= r.Total || r.State != runs.Running {
		return 0
	}
	return time.Duration(float64(r.Total-r.Done) / d.Rate * float64(time.Second))
}
