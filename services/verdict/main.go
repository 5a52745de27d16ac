// Command verdict turns the webhooks of identity-verification providers into
// one durable stream of verdicts, and keeps read models of it.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
	"github.com/verdict-stream/verdict/services/bench"
)

// cli is the command line.
type cli struct {
	Up        upCommand        `cmd:"" help:"Run everything in one process."`
	Receiver  receiverCommand  `cmd:"" help:"Run the receiver of webhooks alone."`
	Lifecycle lifecycleCommand `cmd:"" help:"Run the state machines alone."`
	Projector projectorCommand `cmd:"" help:"Run the writer of the read models alone."`
	API       apiCommand       `cmd:"" name:"api" help:"Run the read API alone."`
	Tail      tailCommand      `cmd:"" help:"Print events of verifications as they come."`
	Send      sendCommand      `cmd:"" help:"Post one payload, signed as the provider would."`
	Simulate  simulateCommand  `cmd:"" help:"Play the providers against a running Verdict."`
	Verify    verifyCommand    `cmd:"" help:"Say what Verdict makes of a webhook, and why its signature is refused."`
	Provider  providerCommand  `cmd:"" help:"Work on a provider's folder."`
	Dead      deadCommand      `cmd:"" help:"Look after dead letters: what could not be handled."`
	Held      heldCommand      `cmd:"" help:"Decide about deliveries that nobody signed."`
	Replay    replayCommand    `cmd:"" help:"Send events once more that were published before."`
	Rebuild   rebuildCommand   `cmd:"" help:"Make tables anew from the streams, beside those in use."`
	Reprocess reprocessCommand `cmd:"" help:"Read deliveries once more, after a decoder or a table was mended."`
	Bench     benchCommand     `cmd:"" help:"Measure this program on this machine."`
	Doctor    doctorCommand    `cmd:"" help:"Find out whether everything is as it should be."`
	Archive   archiveCommand   `cmd:"" help:"Move old events to files."`
	Backup    backupCommand    `cmd:"" help:"Copy everything but the keys, while it is used."`
	Restore   restoreCommand   `cmd:"" help:"Make an installation of a backup."`
	Config    configCommand    `cmd:"" help:"Print all settings with their values and sources."`
	Version   versionCommand   `cmd:"" help:"Print the version."`

	BenchServe benchServeCommand `cmd:"" name:"bench-serve" hidden:"" help:"Run what is measured by verdict bench."`
}

func main() {
	os.Exit(run(os.Args[1:], all.Providers(), os.Stdout, os.Stderr))
}

// run executes one command line and returns the process's exit status.
func run(args []string, providers []provider.Provider, out, errs io.Writer) int {
	flags := newSettingFlags(infos(providers))
	settings := flags.plugins()
	commands := cli{
		Up: upCommand{settings}, Receiver: receiverCommand{settings}, Lifecycle: lifecycleCommand{settings},
		Projector: projectorCommand{settings}, API: apiCommand{settings}, Send: sendCommand{Settings: settings},
		Tail:     tailCommand{Settings: settings},
		Verify:   verifyCommand{Settings: settings},
		Simulate: simulateCommand{Settings: settings}, Config: configCommand{Settings: settings},
		Dead: deadCommand{Settings: settings}, Held: heldCommand{Settings: settings},
		Replay:     replayCommand{Settings: settings},
		Rebuild:    rebuildCommand{Settings: settings},
		Reprocess:  reprocessCommand{Settings: settings},
		BenchServe: benchServeCommand{Settings: settings},
		Doctor:     doctorCommand{Settings: settings},
		Archive: archiveCommand{
			Plan: archivePlanCommand{archiveSelection{Settings: settings}}, Run: archiveRunCommand{archiveSelection: archiveSelection{Settings: settings}},
		},
		Backup: backupCommand{Settings: settings}, Restore: restoreCommand{Settings: settings},
	}
	parser, err := kong.New(&commands,
		kong.Name("verdict"),
		kong.Description("Turns the webhooks of identity-verification providers into one stream of verdicts."),
		kong.Writers(out, errs),
		kong.Bind(flags, providers),
		kong.Vars{"bench_parts": strings.Join(bench.Parts, ", ")},
		kong.BindTo(out, (*io.Writer)(nil)),
	)
	if err == nil {
		var context *kong.Context
		if context, err = parser.Parse(args); err == nil {
			err = context.Run()
		}
	}
	if err != nil {
		fmt.Fprintf(errs, "verdict: %v\n", err)
		return 1
	}
	return 0
}
