package api

import (
	"net/http"

	"github.com/verdict-stream/verdict/pkg/store"
)

// events answers with the timeline of one verification, in the order of the versions.
func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	id, sandbox, through, err := a.named(r)
	if err != nil {
		return err
	}
	rows, err := a.model.Events(r.Context(), id, sandbox)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errNoVerification.asOf(through)
	}
	return respond(w, r, TimelineAnswer{Data: convert(rows, newTimelineEvent), Meta: AsOf{through}})
}

func newTimelineEvent(row store.EventRow) TimelineEvent {
	return TimelineEvent{
		Verification: row.Data, Event: row.Published, Sequence: row.Sequence, StoredAt: row.StoredAt.UTC(), Sandbox: row.Sandbox,
	}
}
