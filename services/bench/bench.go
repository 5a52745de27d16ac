// Package bench measures a Verdict from outside: it starts the built binary in temporary
// directories, sends it webhooks over HTTP, looks at its streams and its processes, and
// compares every figure with a baseline that is measured in the same run, on the same disk.
//
// Its invariants:
//
//   - Every request has exactly one outcome, and only those that were answered with 200 count.
//   - Nothing that it started or made is left when Run returns, however it ends.
//   - What Verdict is compared with does not use Verdict's own code, but for the settings of
//     the server in the process.
package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// Parts are what can be measured, in the order in which it is done.
var Parts = []string{"ingest", "fsync", "latency", "stages", "size", "cpu", "rebuild", "replay"}

// Config says what to measure.
type Config struct {
	// Binary is the program whose commands are started.
	Binary string
	// Version is what the report says of it.
	Version string
	// Provider is who sends the webhooks.
	Provider *provider.Provider
	// Only are the parts to measure; none means all.
	Only []string
	// Duration is how long each load lasts.
	Duration time.Duration
	// Connections are the numbers of senders that ingest is measured with.
	Connections []int
	// Rates are the webhooks a second that latency is measured at, besides 80 % of the knee.
	Rates []float64
	// Backlog is how many webhooks the stages work off.
	Backlog int
	// Sizes are the numbers of verifications there are when size is measured; the first is compared with. The trials at one size add to the
	// next.
	Sizes []int
	// Rebuilt are the numbers of events that a read model is made anew of.
	Rebuilt []int
	// Replayed is how many events are sent once more.
	Replayed int
	// Trial is how many webhooks an installation of some size takes first; several times as many tell how fast it is.
	Trial int
	// Dir is where the temporary directory is made: on the disk that is to be measured. Empty is the system's own place.
	Dir string
	// Progress gets what is being done.
	Progress io.Writer
}

// bench is a run.
type bench struct {
	Config
	dir, binary   string
	webhooks      *webhooks
	installations []*installation
	report        *Report
}

const secretSize = 16

// Run measures. When ctx ends, or a part fails, it returns what it has so far and the error.
func Run(ctx context.Context, config Config) (*Report, error) {
	b, err := prepare(config)
	if b != nil {
		defer b.clean()
	}
	if err != nil {
		return nil, err
	}
	defer func() { b.report.Seconds = time.Since(b.report.Started).Seconds() }()
	if b.report.SyncMicroseconds, err = syncTime(b.dir); err != nil {
		return b.report, err
	}
	parts := map[string]func(context.Context) error{
		"ingest": b.ingest, "fsync": b.fsync, "latency": b.latency, "stages": b.stages, "size": b.size, "cpu": b.stageCPU, "rebuild": b.rebuild, "replay": b.replay,
	}
	for _, name := range Parts {
		if len(b.Only) > 0 && !slices.Contains(b.Only, name) {
			continue
		}
		if err := parts[name](ctx); err != nil {
			return b.report, fmt.Errorf("measure %s: %w", name, err)
		}
		b.release()
	}
	return b.report, nil
}

// Check returns what cannot be measured.
func (c *Config) Check() error {
	for _, name := range c.Only {
		if !slices.Contains(Parts, name) {
			return fmt.Errorf("there is no part %q: choose of %v", name, Parts)
		}
	}
	there := 0
	for _, size := range c.Sizes {
		if size < there {
			return fmt.Errorf("%d verifications cannot be measured: there are %d by then, of the trials before", size, there)
		}
		there = size + (1+steady)*c.Trial
	}
	return nil
}

func prepare(config Config) (*bench, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	b := &bench{Config: config, report: &Report{Version: config.Version, Started: time.Now(), Processors: runtime.NumCPU(), Notes: []string{}}}
	random := make([]byte, secretSize)
	_, _ = rand.Read(random) // Never fails: it ends the process instead.
	var err error
	if b.webhooks, err = newWebhooks(config.Provider, newSecret(random)); err != nil {
		return nil, err
	}
	b.report.BodyBytes = len(b.webhooks.body)
	if b.dir, err = os.MkdirTemp(config.Dir, "verdict-bench-"); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	// What is measured is the program as it is now, even if it is built again meanwhile.
	b.binary = filepath.Join(b.dir, "verdict")
	return b, copyProgram(config.Binary, b.binary)
}

func copyProgram(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy the program: %w", err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return fmt.Errorf("copy the program: %w", err)
	}
	_, err = io.Copy(target, source)
	if err = errors.Join(err, target.Close()); err != nil {
		return fmt.Errorf("copy the program: %w", err)
	}
	return nil
}

// release ends what a part has started.
func (b *bench) release() {
	for _, in := range b.installations {
		in.remove()
	}
	b.installations = nil
}

func (b *bench) clean() {
	b.release()
	_ = os.RemoveAll(b.dir) // It is temporary.
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.Progress, format+"\n", args...)
}

const (
	// syncs is how many writes tell how fast the disk is, syncSize how much each writes.
	syncs    = 101
	syncSize = 4 << 10
)

// syncTime is the median of what a write and its sync take, in microseconds.
func syncTime(dir string) (float64, error) {
	file, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	times, page := make([]time.Duration, syncs), make([]byte, syncSize)
	for i := range times {
		start := time.Now()
		_, err := file.Write(page)
		if err = errors.Join(err, file.Sync()); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return float64(times[syncs/2]) / float64(time.Microsecond), nil
}
