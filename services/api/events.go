package api

import (
	"net/http"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// occurrence is one event of a verification's timeline.
type occurrence struct {
	event.Verification
	// Event is what it was published under: a status, noted, overdue or anonymized.
	Event    string    `json:"event"`
	Sequence uint64    `json:"sequence"`
	StoredAt time.Time `json:"stored_at"`
	Sandbox  bool      `json:"sandbox"`
}

// events answers with the timeline of one verification, in the order of the versions.
func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	id, sandbox, err := named(r)
	if err != nil {
		return err
	}
	through, err := a.model.AsOf(r.Context(), sandbox)
	if err != nil {
		return err
	}
	rows, err := a.model.Events(r.Context(), id, sandbox)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errNoVerification
	}
	return respond(w, r, answer{Data: convert(rows, newOccurrence), Meta: asOf{through}})
}

func newOccurrence(row store.EventRow) occurrence {
	return occurrence{
		Verification: row.Data, Event: row.Published, Sequence: row.Sequence, StoredAt: row.StoredAt.UTC(), Sandbox: row.Sandbox,
	}
}
