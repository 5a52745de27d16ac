package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/services/bench"
)

type benchCommand struct {
	Only        []string `help:"Parts to measure (${bench_parts}); otherwise all."`
	Seconds     float64  `default:"5" help:"How long each load lasts."`
	Connections []int    `default:"1,16,64,256,1000" help:"Numbers of senders that the parts ingest and fsync are measured with."`
	JSON        string   `name:"json" help:"File that gets the report as JSON too." placeholder:"FILE" type:"path"`
	Quick       bool     `help:"See that everything works, within a minute: loads of a second, few connections, small sizes. The figures say little."`
	Large       bool     `help:"Measure the parts size and rebuild at up to 1,000,000 verifications."`
	Dir         string   `help:"Where to make the temporary directory, and so the disk that is measured; otherwise the system's own place." placeholder:"DIR" type:"path"`
	Provider    string   `help:"Who sends the webhooks; otherwise the first provider that there is."`
	Profile     string   `help:"Instead of measuring, write profiles of everything in one process under load to a directory." placeholder:"DIR" type:"path"`
}

// Help is shown by `verdict bench --help`.
func (*benchCommand) Help() string {
	return `Measures this program on this machine, each figure beside a baseline of the same run. It starts
processes of its own in temporary directories and on free ports, and removes all of it at the
end, also when it is interrupted. Nothing else should run meanwhile.

Parts:
  ingest   webhooks a second that are on disk when they are answered, receiver and broker alone
  fsync    the same where each sync of the disk takes 1 ms more (Linux alone)
  latency  POST → answer, event, answer of the API, at 100/s, 1,000/s and 80 % of the knee
  stages   lifecycle and projector working off a backlog
  size     memory, throughput and start with more and more verifications
  cpu      processor time by part
  rebuild  the read model made anew, and webhooks meanwhile
  replay   events sent once more, to a file, a stream and an endpoint

Examples:
  verdict bench --json bench.json
  verdict bench --only ingest,fsync --connections 64,256 --seconds 60
  verdict bench --only size --large
  verdict bench --quick
  verdict bench --profile profiles --seconds 20 && go tool pprof -top profiles/cpu.pprof`
}

const (
	// What is measured by default, quickly, and at length.
	benchBacklog, quickBacklog = 5000, 500
	benchTrial, quickTrial     = 2000, 300
	quickSeconds               = 1

	benchReplayed, quickReplayed = 200_000, 2000
)

var (
	quickConnections = []int{1, 64}
	benchRates       = []float64{100, 1000}
	quickRates       = []float64{100}
	benchSizes       = []int{0, 20_000}
	quickSizes       = []int{0, 2000}
	rebuiltEvents    = []int{50_000}
	quickRebuilt     = []int{2000}
	largeRebuilt     = []int{50_000, 1_000_000}
	largeSizes       = []int{0, 10_000, 100_000, 1_000_000}
)

// Run measures and prints the table; what was measured before an error too.
func (cmd *benchCommand) Run(out io.Writer, providers []provider.Provider) error {
	config, err := cmd.config(providers)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if cmd.Profile != "" {
		return bench.Profile(ctx, config, cmd.Profile)
	}
	report, err := bench.Run(ctx, config)
	if report == nil {
		return err
	}
	if cmd.JSON != "" {
		err = errors.Join(err, writeReport(cmd.JSON, report))
	}
	return errors.Join(report.WriteTable(out), err)
}

func (cmd *benchCommand) config(providers []provider.Provider) (bench.Config, error) {
	if cmd.Provider == "" && len(providers) > 0 {
		cmd.Provider = providers[0].Name
	}
	sender, err := findProvider(providers, cmd.Provider)
	if err != nil {
		return bench.Config{}, err
	}
	binary, err := os.Executable()
	if err != nil {
		return bench.Config{}, fmt.Errorf("find this program: %w", err)
	}
	if cmd.Seconds <= 0 {
		return bench.Config{}, errors.New("--seconds must be more than 0")
	}
	for _, n := range cmd.Connections {
		if n <= 0 {
			return bench.Config{}, errors.New("--connections must be more than 0")
		}
	}
	config := bench.Config{
		Binary: binary, Version: version, Provider: sender, Only: cmd.Only, Connections: cmd.Connections,
		Duration: time.Duration(cmd.Seconds * float64(time.Second)), Rates: benchRates, Backlog: benchBacklog, Sizes: benchSizes, Trial: benchTrial, Rebuilt: rebuiltEvents,
		Replayed: benchReplayed,
		Dir:      cmd.Dir, Progress: os.Stderr,
	}
	if cmd.Large {
		config.Sizes, config.Rebuilt = largeSizes, largeRebuilt
	}
	if cmd.Quick {
		config.Duration, config.Connections, config.Rates = quickSeconds*time.Second, quickConnections, quickRates
		config.Backlog, config.Sizes, config.Trial = quickBacklog, quickSizes, quickTrial
		config.Rebuilt, config.Replayed = quickRebuilt, quickReplayed
	}
	return config, nil
}

func writeReport(file string, report *bench.Report) error {
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(report.WriteJSON(out), out.Close())
}
