package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/verdict-stream/verdict/pkg/bus"
)

const (
	// openConnections is how many requests may be under way where a rate is given.
	openConnections = 128
	// looksPerSecond is how many verifications a second are asked for until they are there.
	looksPerSecond = 50
	// lookPause is the least time between two questions for one; it grows with the time that
	// has passed, to lookPart of it, which is how wrong the figure may be.
	lookPause = time.Millisecond
	lookPart  = 10
	// lookPatience is when a verification that is not there is given up.
	lookPatience = 30 * time.Second
	// subjectHeader names the verification that an event is about.
	subjectHeader = "ce-subject"
)

// way is what was measured of webhooks on their way.
type way struct {
	answers       *tally
	event, reads  *hdrhistogram.Histogram
	missing       int // verifications that did not become readable
	mu            sync.Mutex
	begun         map[uint64]time.Time
	events, looks int
}

// latency measures how long webhooks take at several rates: until the answer, until their
// event is in the stream, and until the API shows the verification.
func (b *bench) latency(ctx context.Context) error {
	defer b.release()
	var rooflineServer, server *process
	roofline, err := b.startSlow(ctx, roleRoofline, -1, &rooflineServer)
	if err != nil {
		return err
	}
	in, err := b.startSlow(ctx, roleUp, -1, &server)
	if err != nil {
		return err
	}
	if err := in.connect(); err != nil {
		return err
	}
	sent := 0
	if err := b.warm(ctx, in, &sent); err != nil {
		return err
	}
	knee, err := b.knee(ctx, in, &sent)
	if err != nil {
		return err
	}
	l := roofline.load(fewSenders)
	l.duration = b.Duration
	base, err := measure(ctx, rooflineServer, l)
	if err != nil {
		return err
	}
	b.report.figure(Row{
		Part: "latency", Case: "knee", Figure: "held end to end", Unit: "1/s", Value: knee, Baseline: base.perSecond(),
		Against: fmt.Sprintf("roofline, %d connections", fewSenders),
	})
	for _, rate := range b.Rates {
		if rate > knee {
			b.report.note("latency: %.0f/s is above the knee of %.0f/s: the figures tell of a queue that grows for as long as is measured.", rate, knee)
		}
		if err := b.latencyAt(ctx, roofline, in, rate, fmt.Sprintf("%.0f/s", rate), &sent); err != nil {
			return err
		}
	}
	const partOfKnee = 0.8
	return b.latencyAt(ctx, roofline, in, partOfKnee*knee, "80 % of the knee", &sent)
}

// warm sends a few webhooks, so that connections, caches and statements are there.
func (b *bench) warm(ctx context.Context, in *installation, sent *int) error {
	const few = 200
	l := in.load(1)
	l.count = few
	warmed, err := l.run(ctx)
	if err != nil {
		return err
	}
	*sent += warmed.ok()
	return in.drained(ctx, *sent)
}

// latencyAt measures at one rate, the roofline's answers first.
func (b *bench) latencyAt(ctx context.Context, roofline, in *installation, rate float64, name string, sent *int) error {
	b.say("latency: %.0f/s for %v each", rate, b.Duration)
	l := roofline.load(openConnections)
	l.duration, l.rate = b.Duration, rate
	base, err := l.run(ctx)
	if err != nil {
		return err
	}
	got, err := b.follow(ctx, in, rate)
	if err != nil {
		return err
	}
	*sent += got.answers.ok()
	if err := in.drained(ctx, *sent); err != nil {
		return err
	}
	for _, what := range []struct {
		name string
		*hdrhistogram.Histogram
	}{{"answer", got.answers.latency}, {"event", got.event}, {"queryable", got.reads}} {
		for _, q := range quantiles(what.Histogram, base.latency) {
			b.report.figure(Row{
				Part: "latency", Case: name, Figure: fmt.Sprintf("POST → %s p%v", what.name, q), Unit: "ms",
				Value: quantile(what.Histogram, q), Baseline: quantile(base.latency, q), Against: "roofline's answer at this rate", LessIsBetter: true,
			})
		}
	}
	if got.answers.failed()+base.failed()+got.missing > 0 {
		b.report.note("latency, %s: %d requests were not answered with 200 (%s), of the roofline's %d (%s); %d verifications of %d were not shown within %v.",
			name, got.answers.failed(), orNone(got.answers.failures()), base.failed(), orNone(base.failures()), got.missing, got.looks, lookPatience)
	}
	return nil
}

// follow runs a load at a rate and follows its webhooks on their way.
func (b *bench) follow(ctx context.Context, in *installation, rate float64) (*way, error) {
	w := &way{event: newHistogram(), reads: newHistogram(), begun: map[uint64]time.Time{}}
	stop, err := in.reader.Follow(ctx, bus.Verifications, subjectHeader, func(id string, at time.Time) { w.saw(b.webhooks, id, at) })
	if err != nil {
		return nil, err
	}
	defer stop()
	client := &http.Client{Timeout: lookPatience, Transport: &http.Transport{MaxIdleConnsPerHost: openConnections}}
	defer client.CloseIdleConnections()
	var looking sync.WaitGroup
	every := max(1, uint64(rate/looksPerSecond))
	l := in.load(openConnections)
	l.duration, l.rate = b.Duration, rate
	l.begins = func(number uint64, begun time.Time) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.begun[number] = begun
	}
	l.answered = func(number uint64, begun time.Time) {
		if number%every == 0 {
			looking.Go(func() { w.look(ctx, client, in, number, begun) })
		}
	}
	w.answers, err = l.run(ctx)
	looking.Wait()
	if err != nil {
		return nil, err
	}
	return w, await(ctx, "webhooks without an event", func() (int, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.answers.ok() - w.events, nil
	})
}

// saw notes an event.
func (w *way) saw(webhooks *webhooks, id string, at time.Time) {
	number, ours := webhooks.numberOf(id)
	w.mu.Lock()
	defer w.mu.Unlock()
	if begun, known := w.begun[number]; ours && known {
		w.events++
		observe(w.event, at.Sub(begun))
		delete(w.begun, number)
	}
}

// look asks the API for a verification until it is there.
func (w *way) look(ctx context.Context, client *http.Client, in *installation, number uint64, begun time.Time) {
	url := "http://" + in.api + "/v1/verifications/" + in.bench.webhooks.id(number)
	found := false
	for ctx.Err() == nil && !found && time.Since(begun) < lookPatience {
		if found = exists(ctx, client, url); !found {
			time.Sleep(max(lookPause, time.Since(begun)/lookPart))
		}
	}
	took := time.Since(begun)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if found {
		observe(w.reads, took)
	} else {
		w.missing++
	}
}

func exists(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}
