package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/seal"
)

const (
	// cappedRate is how many webhooks a second come while a rebuild is capped.
	cappedRate = 100
	// benchRetention is how long an installation keeps deliveries.
	benchRetention = 168 * time.Hour
)

// rebuild measures how fast the read model is made anew, against a consumer that only counts, and how long webhooks take meanwhile.
func (b *bench) rebuild(ctx context.Context) error {
	defer b.release()
	for i, events := range b.Rebuilt {
		cases := []int{events / keptPart}
		if i == 0 {
			cases = append(cases, events)
		}
		for _, kept := range cases {
			if err := b.rebuildOf(ctx, events, kept); err != nil {
				return err
			}
			b.release()
		}
	}
	return b.rebuildCapped(ctx)
}

// keptPart is which part of the events has deliveries that are still kept, where most have expired.
const keptPart = 10

// rebuildOf rebuilds the tables of so many events. The last ones have deliveries that are kept, and with them claims.
func (b *bench) rebuildOf(ctx context.Context, events, kept int) error {
	in, admin, err := b.installBroker(ctx, "rebuild")
	if err != nil {
		return err
	}
	defer admin.Close()
	b.say("rebuild: %d events, %d with deliveries that are kept", events, kept)
	deliveries, err := b.fill(ctx, in, admin, events, kept)
	if err != nil {
		return err
	}
	base, err := in.reader.AckOnly(ctx, bus.Verifications, events)
	if err != nil {
		return err
	}
	if _, _, err := in.start(ctx, roleProjector); err != nil {
		return err
	}
	if err := in.shown(ctx); err != nil {
		return err
	}
	if expired := deliveries - uint64(kept); expired > 0 {
		if err := admin.Trim(ctx, bus.Webhooks, expired); err != nil {
			return err
		}
	}
	run, err := in.rebuild(ctx, 0)
	if err != nil {
		return err
	}
	whole := run.EndedAt.Sub(run.StartedAt)
	b.say("rebuild: %d events in %v, writers waited %d ms; seconds: %v", events, whole, run.Detail.PausedMS, run.Detail.Spent)
	for _, figure := range []struct {
		name string
		took float64
	}{{"read and written", run.Detail.Spent[phaseRead]}, {"read, written, sealed, compared and switched", whole.Seconds()}} {
		b.report.figure(Row{
			Part: "rebuild", Case: fmt.Sprintf("%d events, %d deliveries", events, kept), Figure: figure.name, Unit: "events/s",
			Value: float64(events) / figure.took, Baseline: float64(events) / base.Seconds(), Against: "consumer that only acks",
		})
	}
	b.report.note("rebuild: of %d events, %d with deliveries whose claims are opened and sealed anew, writers waited %d ms at most.", events, kept, run.Detail.PausedMS)
	return nil
}

// rebuilt is what the command says of a rebuild.
type rebuilt struct {
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Detail    struct {
		Spent    map[string]float64 `json:"spent_seconds"`
		PausedMS int64              `json:"paused_ms"`
	} `json:"detail"`
}

// phaseRead is the one in which the streams are read.
const phaseRead = "reading the streams"

// rebuild runs the command for it; 0 is as fast as it goes.
func (in *installation) rebuild(ctx context.Context, rate int) (r rebuilt, err error) {
	broker, err := in.broker()
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, in.bench.binary, "rebuild", "readmodel", "--json", "--rate", strconv.Itoa(rate))
	cmd.Env = []string{"VERDICT_DATA_DIR=" + in.data(), "VERDICT_NATS_URL=" + broker}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("rebuild: %w: %s", err, errs.String())
	}
	return r, json.Unmarshal(out, &r)
}

// rebuildCapped measures the way of webhooks without a rebuild, and with one that may only read as fast as it takes as long as is measured.
func (b *bench) rebuildCapped(ctx context.Context) error {
	in, err := b.install("rebuild-capped")
	if err != nil {
		return err
	}
	if _, _, err := in.start(ctx, roleUp); err != nil {
		return err
	}
	if err := in.connect(); err != nil {
		return err
	}
	sent := 0
	if err := b.grow(ctx, in, b.Backlog, &sent); err != nil {
		return err
	}
	b.say("rebuild: webhooks at %d/s without one, and with one", cappedRate)
	without, err := b.follow(ctx, in, cappedRate)
	if err != nil {
		return err
	}
	rate := max(1, int(float64(2*sent)/b.Duration.Seconds()))
	ended := make(chan error, 1)
	go func() {
		_, err := in.rebuild(ctx, rate)
		ended <- err
	}()
	with, err := b.follow(ctx, in, cappedRate)
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	for _, what := range []struct {
		name           string
		with, without_ *hdrhistogram.Histogram
	}{{"answer", with.answers.latency, without.answers.latency}, {"event", with.event, without.event}, {"queryable", with.reads, without.reads}} {
		const high = 99
		b.report.figure(Row{
			Part: "rebuild", Case: fmt.Sprintf("capped at %d/s", rate), Figure: fmt.Sprintf("POST → %s p%d", what.name, high), Unit: "ms",
			Value: quantile(what.with, high), Baseline: quantile(what.without_, high), Against: "without a rebuild", LessIsBetter: true,
		})
	}
	return nil
}

// installBroker makes an installation of which the broker alone runs, and connects as those who administer it do.
func (b *bench) installBroker(ctx context.Context, name string) (*installation, *bus.Bus, error) {
	in, err := b.install(name)
	if err != nil {
		return nil, nil, err
	}
	if _, _, err := in.start(ctx, roleBroker); err != nil {
		return nil, nil, err
	}
	broker, err := in.broker()
	if err != nil {
		return nil, nil, err
	}
	admin, err := bus.Connect(ctx, bus.Config{URL: broker, Name: "verdict-bench", Logger: slog.New(slog.DiscardHandler)})
	return in, admin, err
}

// keys opens the keys of an installation.
func (in *installation) keys() (*seal.Keyring, error) {
	master, err := base64.StdEncoding.DecodeString(masterKey)
	if err != nil {
		return nil, err
	}
	return seal.Open(filepath.Join(in.data(), "keys"), master)
}
