package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/batch"
	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// tell publishes the outcome of a delivery that leaves no event. A delivery that is handled
// again tells the same again; readers keep it by its position.
func (w *worker) tell(ctx context.Context, d delivery, name event.OutcomeName, res *result) error {
	if toldBefore(ctx, name) {
		return bus.ErrUnchanged
	}
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
	header := map[string][]string{event.MessageID: {string(name) + ":" + strconv.FormatUint(d.seq, 10)}}
	telemetry.Inject(ctx, header) // it may be published by another delivery's handler
	if _, err = w.told.Do(ctx, bus.Message{Subject: event.OutcomeSubject(d.Provider, string(name)), Header: header, Data: data}); err != nil {
		return fmt.Errorf("tell the outcome of a delivery: %w", err)
	}
	w.metrics.outcome(ctx, name)
	return nil
}

// fewOutcomes are published one by one: an atomic batch costs the broker about as many syncs as
// so many messages, whatever its size.
const fewOutcomes = 8

// publishOutcomes publishes the outcomes that have waited together. Where the stream does not
// take them as one, for it holds one of them already, it takes them one by one.
func (w *worker) publishOutcomes(messages []bus.Message) []batch.Result[struct{}] {
	results := make([]batch.Result[struct{}], len(messages))
	// No handler's end may keep the outcomes of others; the bus bounds how long a publish takes.
	ctx := context.Background()
	if len(messages) > fewOutcomes {
		_, err := w.Bus.PublishBatch(ctx, messages, bus.Fence{})
		if err == nil {
			return results
		}
		if errors.Is(err, bus.ErrUnavailable) {
			for i := range results {
				results[i].Err = err
			}
			return results
		}
	}
	var published sync.WaitGroup
	for i := range messages {
		published.Go(func() { _, results[i].Err = w.Bus.Publish(ctx, messages[i]) })
	}
	published.Wait()
	return results
}
