package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/replay"
	"github.com/verdict-stream/verdict/pkg/runs"
)

// replayTurns is how often each target and the baseline take turns; the best of each counts, which others have held up least.
const replayTurns = 3

// replay measures how many events a second are sent once more, to each kind of target, against a consumer that only counts the same events.
func (b *bench) replay(ctx context.Context) error {
	defer b.release()
	in, admin, err := b.installBroker(ctx, "replay")
	if err != nil {
		return err
	}
	defer admin.Close()
	b.say("replay: %d events", b.Replayed)
	if err := b.fillEvents(ctx, admin, b.Replayed); err != nil {
		return err
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer endpoint.Close()
	best, counted := map[string]float64{}, 0.0
	targets := []struct {
		name, target string
		events       int
	}{
		{"NDJSON file", "file:" + filepath.Join(in.dir, "events.ndjson"), b.Replayed},
		{"stream", replay.TargetStream, b.Replayed},
		// One after the other takes long.
		{"HTTP endpoint, as slow as a round trip", endpoint.URL, max(1, b.Replayed/20)},
	}
	for range replayTurns {
		took, err := in.reader.CountOnly(ctx, bus.Verifications, b.Replayed)
		if err != nil {
			return err
		}
		counted = max(counted, float64(b.Replayed)/took.Seconds())
		for _, t := range targets {
			run, err := in.replayed(ctx, admin, t.target, t.events)
			if err != nil {
				return err
			}
			rate := float64(run.Done) / run.EndedAt.Sub(run.StartedAt).Seconds()
			b.say("replay: to %s: %.0f/s (counting: %.0f/s)", t.name, rate, float64(b.Replayed)/took.Seconds())
			best[t.name] = max(best[t.name], rate)
		}
	}
	for _, t := range targets {
		b.report.figure(Row{
			Part: "replay", Case: t.name, Figure: "replayed", Unit: "events/s", Value: best[t.name], Baseline: counted, Against: "consumer that only counts",
		})
	}
	return nil
}

// replayed runs the program until the first of the events are sent, and removes what that has made.
func (in *installation) replayed(ctx context.Context, admin *bus.Bus, target string, events int) (runs.Run, error) {
	const name = "bench"
	broker, err := in.broker()
	if err != nil {
		return runs.Run{}, err
	}
	command := []string{in.bench.binary, "replay", "run", name, "--to", target, "--to-sequence", fmt.Sprint(events)}
	p, err := spawn("replay", in.dir, command, []string{"VERDICT_DATA_DIR=" + in.data(), "VERDICT_NATS_URL=" + broker}, nil)
	if err != nil {
		return runs.Run{}, err
	}
	defer p.kill()
	select {
	case <-p.ended:
	case <-ctx.Done():
		return runs.Run{}, ctx.Err()
	}
	desk := replay.Desk{Bus: admin, Via: replay.ViaCLI, Actor: "bench"}
	run, err := desk.Get(ctx, name)
	if err != nil {
		return run, err
	}
	if run.State != runs.Done || run.Done != uint64(events) {
		return run, fmt.Errorf("the replay is %s at %d of %d:\n%s", run.State, run.Done, events, p.tail())
	}
	_ = os.Remove(filepath.Join(in.dir, "events.ndjson")) // Other targets have none.
	return run, desk.Forget(ctx, name)
}

// fillEvents puts so many events into the stream, without the deliveries that they come from.
func (b *bench) fillEvents(ctx context.Context, admin *bus.Bus, count int) error {
	if err := admin.EnsureStreams(ctx, bus.StreamSettings{Retention: benchRetention, DeduplicationWindow: time.Second, Replicas: 1}); err != nil {
		return err
	}
	w := b.webhooks
	var events []bus.Message
	for n := 1; n <= count; n++ {
		body := append([]byte(nil), w.body...)
		copy(body[w.number:], fmt.Sprintf("%0*d", numberDigits, n))
		webhook := event.Webhook{
			ID: event.WebhookID(w.provider.Name, "", body), Provider: w.provider.Name, Event: w.provider.Token(w.event), Instance: "bench",
			ReceivedAt: time.Now().UTC(),
		}
		told, err := w.told(&webhook, body, uint64(n), false)
		if err != nil {
			return err
		}
		if events = append(events, told...); len(events) < bus.MaxBatch && n < count {
			continue
		}
		if _, err := admin.PublishBatch(ctx, events, bus.Fence{}); err != nil {
			return err
		}
		events = events[:0]
	}
	return nil
}
