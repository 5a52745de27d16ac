package api

import (
	"net/http"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// deliveries answers with what came in, in the order of receipt.
func (a *api) deliveries(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := store.DeliveryFilter{
		Provider: q.text("provider"),
		Outcome:  q.text("outcome"),
		Cause:    q.text("cause"), Since: q.time("since"),
		Limit: q.limit(), After: cursor(q, store.ParseDeliveryCursor),
	}
	if err := q.done(); err != nil {
		return err
	}
	page, err := a.model.Deliveries(r.Context(), filter)
	if err != nil {
		return err
	}
	return respond(w, r, DeliveryPage{Data: convert(page.Rows, newDelivery), Meta: DeliveryMeta{orNull(page.Next.String())}})
}

func newDelivery(row store.Delivery) Delivery {
	return Delivery{
		ID: orNull(row.EventID), Stream: row.Stream, Sequence: row.Sequence, Provider: row.Provider, Event: orNull(row.Event),
		ReceivedAt: orNull(row.ReceivedAt), Outcome: orNull(event.OutcomeName(row.Outcome)), OutcomeAt: orNull(row.OutcomeAt), Cause: orNull(row.Cause),
		Verifications: row.Verifications, Anomalies: row.Anomalies,
		Traceparent: orNull(row.Traceparent),
	}
}
