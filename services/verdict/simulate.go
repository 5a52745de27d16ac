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

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/services/simulator"
)

type simulateCommand struct {
	Settings kong.Plugins `embed:""`

	Provider      []string          `help:"Providers to play; otherwise all that there is a secret for."`
	Scenario      []string          `help:"Scenarios to play, by name; otherwise all of these providers."`
	List          bool              `help:"Print the scenarios and what each comes to, and send nothing."`
	Count         int               `default:"1000" help:"How many stories to play; 0 for as many as --duration allows. Most tell of one verification."`
	Duration      time.Duration     `help:"When to begin no more stories; 0 for no limit."`
	Rate          float64           `help:"Webhooks a second to send, whatever the answers; latency then counts from when each should have been sent. With 0 every connection sends as soon as it is free."`
	Connections   int               `default:"16" help:"Requests at once."`
	Seed          *uint64           `help:"What the made-up stories depend on; otherwise another one each time."`
	Start         *time.Time        `help:"A time that all stories have happened before; otherwise now. A run with the same seed and start sends the same bytes."`
	Duplicates    float64           `help:"Fraction of the webhooks to send twice, half of them at the same time."`
	Shuffle       bool              `help:"Send the webhooks of many stories in a random order, those of one story too where their order must not matter."`
	BadSignatures float64           `help:"Fraction of the webhooks to send also with a bad signature; all of these must be refused."`
	Speed         float64           `default:"100" help:"How many times faster than the providers to repeat what was not taken."`
	URL           string            `name:"url" help:"Where the receiver is; otherwise http:// and the address of the settings."`
	APIURL        string            `name:"api-url" help:"Where the API is; otherwise http:// and the address of the settings."`
	APIToken      string            `name:"api-token" help:"Bearer token for the API; otherwise the admin token that is configured, or the one that development mode made in the data directory."`
	Secret        map[string]string `help:"Secrets to sign with, as PROVIDER=SECRET; otherwise as with verdict send." mapsep:"," placeholder:"PROVIDER=SECRET"`
	Token         map[string]string `help:"URL tokens, as PROVIDER=TOKEN; otherwise those that are configured." mapsep:"," placeholder:"PROVIDER=TOKEN"`
	Verify        bool              `help:"In the end ask the API whether every verification is what its scenario must give."`
	Patience      time.Duration     `default:"30s" help:"How long to wait while not one more verification becomes what it must be."`
	JSON          bool              `name:"json" help:"Print the result, or the list, as JSON."`
	AllowRemote   bool              `help:"Send to other machines than this one. What is sent is made up and puts load on whoever gets it."`
}

// Help is shown by `verdict simulate --help`.
func (*simulateCommand) Help() string {
	return `Plays the providers: posts the webhooks of made-up verifications, correctly signed, with the
retries of each provider, and prints what the answers were and how long they took. The exit
status is 0 only if nothing was given up, no bad signature was accepted and, with --verify,
every verification is what its scenario must give. Ctrl-C ends it early, with the table.

Examples:
  verdict simulate --count 100 --verify
      Play all scenarios against a server in development mode that has its data in ./data.
  verdict simulate --count 10000 --duplicates 0.2 --shuffle --bad-signatures 0.05 --verify
      With everything that goes wrong on the way.
  verdict simulate --provider idenfy --scenario manual-approved --count 1
  verdict simulate --rate 500 --duration 1m --count 0 --connections 64 --json
      Measure.
  verdict simulate --list`
}

// Run plays. The error is what kept it from playing, or what must not have happened.
func (cmd *simulateCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	config := flags.load()
	if err := config.Validate(""); err != nil {
		return err
	}
	players, err := cmd.players(providers)
	if err != nil {
		return err
	}
	if cmd.List {
		return writeScenarios(out, players, cmd.JSON)
	}
	play, err := cmd.config(config, players)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // A second interrupt ends the process at once.
	clear := showProgress(&play)
	report, err := simulator.Run(ctx, play)
	clear()
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = writeIndented(out, report)
	} else {
		err = report.WriteTable(out)
	}
	return errors.Join(err, report.Err())
}

// players are the providers and scenarios that were asked for, without secrets and URLs.
func (cmd *simulateCommand) players(providers []provider.Provider) ([]simulator.Player, error) {
	var players []simulator.Player
	if len(cmd.Provider) == 0 {
		for i := range providers {
			players = append(players, simulator.Player{Provider: &providers[i]})
		}
	}
	for _, name := range cmd.Provider {
		p, err := findProvider(providers, name)
		if err != nil {
			return nil, err
		}
		players = append(players, simulator.Player{Provider: p})
	}
	return chooseScenarios(players, cmd.Scenario)
}

const (
	// On a terminal progress is one line that changes; elsewhere it is a line now and then.
	progressOnTerminal = 500 * time.Millisecond
	progressElsewhere  = 5 * time.Second
)

// showProgress makes the simulation tell on standard error how far it is, and returns what
// takes that away again where it should not stay.
func showProgress(play *simulator.Config) (clear func()) {
	if onTerminal(os.Stderr) {
		const line = "\r\x1b[K" // back to the beginning of an empty line
		play.ProgressEvery = progressOnTerminal
		play.Progress = func(p simulator.Progress) { fmt.Fprint(os.Stderr, line, p) }
		return func() { fmt.Fprint(os.Stderr, line) }
	}
	play.ProgressEvery = progressElsewhere
	play.Progress = func(p simulator.Progress) { fmt.Fprintln(os.Stderr, p) }
	return func() {}
}
