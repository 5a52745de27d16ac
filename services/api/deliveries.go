package api

import (
	"net/http"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
)

// delivery is what came in, and how it ended. Outcome is null as long as it has not.
type delivery struct {
	ID            *string    `json:"id"` // null for a refused delivery: it got none
	Stream        string     `json:"stream"`
	Sequence      uint64     `json:"sequence"`
	Provider      string     `json:"provider"`
	Event         *string    `json:"event"`
	ReceivedAt    *time.Time `json:"received_at"` // null where only the outcome is known
	Outcome       *string    `json:"outcome"`
	OutcomeAt     *time.Time `json:"outcome_at"`
	Cause         *string    `json:"cause"`
	Verifications []string   `json:"verifications"`
	Anomalies     []string   `json:"anomalies"`
	Traceparent   *string    `json:"traceparent"`
}

// deliveries answers with what came in, in the order of receipt.
func (a *api) deliveries(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := store.DeliveryFilter{
		Provider: q.word("provider"),
		Outcome:  oneOf(q, "outcome", append([]string{store.OutcomePending}, store.Outcomes...)...),
		Cause:    q.word("cause"), Since: q.time("since"),
		Limit: q.limit(), After: cursor(q, store.ParseDeliveryCursor),
	}
	if err := q.done(); err != nil {
		return err
	}
	page, err := a.model.Deliveries(r.Context(), filter)
	if err != nil {
		return err
	}
	return respond(w, r, answer{Data: convert(page.Rows, newDelivery), Meta: pageMeta{NextCursor: orNull(page.Next.String())}})
}

func newDelivery(row store.Delivery) delivery {
	return delivery{
		ID: orNull(row.EventID), Stream: row.Stream, Sequence: row.Sequence, Provider: row.Provider, Event: orNull(row.Event),
		ReceivedAt: orNull(row.ReceivedAt), Outcome: orNull(row.Outcome), OutcomeAt: orNull(row.OutcomeAt), Cause: orNull(row.Cause),
		Verifications: row.Verifications, Anomalies: row.Anomalies,
		Traceparent: orNull(row.Traceparent),
	}
}
