package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// tell publishes the outcome of a delivery that leaves no event. A delivery that is handled
// again tells the same again; readers keep it by its position.
func (w *worker) tell(ctx context.Context, d delivery, name event.OutcomeName, res *result) error {
	outcome := event.Outcome{
		Delivery: d.ID, Sequence: d.seq, Provider: d.Provider, Event: d.Event, Outcome: name,
		Anomalies: []string{}, Verifications: []string{}, At: time.Now().UTC(),
	}
	if res != nil {
		outcome.Anomalies = append(outcome.Anomalies, res.anomalies...)
		outcome.Verifications = append(outcome.Verifications, res.verifications...)
	}
	data, err := json.Marshal(outcome)
	if err != nil {
		return fmt.Errorf("outcome: %w", err)
	}
	_, err = w.Bus.Publish(ctx, bus.Message{
		Subject: event.OutcomeSubject(d.Provider, string(name)),
		Header:  map[string][]string{event.MessageID: {string(name) + ":" + strconv.FormatUint(d.seq, 10)}},
		Data:    data,
	})
	if err != nil {
		return fmt.Errorf("tell the outcome of a delivery: %w", err)
	}
	w.metrics.outcome(ctx, name)
	return nil
}
