// Package letters is for whoever looks after dead letters: it shows them, has their messages handled once more, and gives them up for good.
//
// Its invariants:
//
//   - Nothing is changed that was not chosen: a selection that chooses nothing in particular is refused, unless it says that all are meant.
//   - Every step can be repeated. Who is stopped anywhere, however roughly, begins again and does no harm.
//   - The streams always explain what became of a delivery: a letter is taken out only when an event or an outcome says so in its place.
//   - Memory does not grow with the number of letters.
package letters

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// Desk is where somebody works on dead letters.
type Desk struct {
	Bus *bus.Bus
	// Actor and Via are who it is, and by which way he came, for the audit.
	Actor, Via string
	// Patience is how long a consumer may do nothing of what it was asked for, and the broker may be away while somebody works; 0 stands for
	// DefaultPatience.
	Patience time.Duration
}

// DefaultPatience is more than the longest pause of a consumer, several times.
const DefaultPatience = 30 * time.Second

// Page is a part of the letters that a filter chooses, in the order in which they were filed.
type Page struct {
	Letters []bus.Letter
	// Next is after which sequence the next page begins; 0 where there is none.
	Next uint64
}

var errFull = errors.New("the page is full")

// Page returns at most limit letters behind a sequence. Errors: bus.ErrUnavailable.
func (d *Desk) Page(ctx context.Context, f bus.LetterFilter, after uint64, limit int) (Page, error) {
	var page Page
	err := d.Bus.Letters(ctx, f, after+1, func(l bus.Letter) error {
		if len(page.Letters) == limit {
			page.Next = page.Letters[limit-1].Seq
			return errFull
		}
		page.Letters = append(page.Letters, l)
		return nil
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	return page, err
}

// ErrNoLetter means that there is no open letter of that sequence: it was redriven or discarded, its time is over, or there never was one.
var ErrNoLetter = errors.New("there is no open dead letter of that number: it was redriven or discarded, its time is over, or it never was")

// Letter returns the open letter of a sequence. Errors: ErrNoLetter, bus.ErrUnavailable.
func (d *Desk) Letter(ctx context.Context, seq uint64) (bus.Letter, error) {
	letter, err := d.Bus.Letter(ctx, max(seq, 1))
	if seq == 0 || errors.Is(err, bus.ErrNotFound) {
		return letter, fmt.Errorf("dead letter %d: %w", seq, ErrNoLetter)
	}
	return letter, err
}

// Obstacle says why a letter cannot be redriven, and what to do instead; it is empty where it can.
func Obstacle(l *bus.Letter) string {
	switch {
	case l.Stream == bus.Spool:
		return "it never reached a stream, and lies sealed in the receiver's <data>/aside: raise the broker's max_payload, have the provider send it again, and discard the letter"
	case l.Stream == bus.Webhooks && !strings.HasPrefix(l.Subject, "kyc.webhook."):
		return "the event that it caused is too large for the broker: raise its max_payload, make the state anew with `verdict rebuild state`, and discard the letter"
	default:
		return ""
	}
}
