package main

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/replay"
	"github.com/verdict-stream/verdict/pkg/runs"
)

type replayListCommand struct {
	JSON bool `name:"json" help:"Print the list as JSON."`
}

// Help is shown by `verdict replay list --help`.
func (*replayListCommand) Help() string {
	return `Lists all replays that were not forgotten, those that were asked for over the API too.

Examples:
  verdict replay list
  verdict replay list --json`
}

// Run prints the list.
func (cmd *replayListCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, _, desk, stop, err := openReplay(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	known, err := desk.List(ctx)
	if err != nil {
		return err
	}
	list := newListing(out, cmd.JSON, "NAME\tSTATE\tPROGRESS\tTARGET\tASKED FOR BY\tAT")
	for _, r := range known {
		spec, err := replay.SpecOf(r)
		if err != nil {
			return err
		}
		list.row(r, "%s\t%s\t%s\t%s\t%s\t%s", r.Name, replayState(r), replayProgress(r), spec.Target, r.Actor, r.CreatedAt.Format(time.RFC3339))
	}
	return list.end(0)
}

// replayState is how a run stands, with what the state alone does not say.
func replayState(r runs.Run) string {
	switch {
	case r.State == runs.Running && time.Now().After(r.HeldUntil):
		return "interrupted"
	case r.State == runs.Running && r.Wanted != "":
		return "running, to " + r.Wanted
	default:
		return string(r.State)
	}
}

type replayStatusCommand struct {
	Name string `arg:"" help:"The replay."`
	JSON bool   `name:"json" help:"Print the run as JSON."`
}

// Help is shown by `verdict replay status --help`.
func (*replayStatusCommand) Help() string {
	return `Says what a replay sends, how far it is, and how it ended.

Examples:
  verdict replay status late-team
  verdict replay status late-team --json`
}

// Run prints one run.
func (cmd *replayStatusCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, _, desk, stop, err := openReplay(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	r, err := desk.Get(ctx, cmd.Name)
	if err != nil {
		return replayNext(err)
	}
	if cmd.JSON {
		return writeIndented(out, r)
	}
	spec, err := replay.SpecOf(r)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is %s: %s\n", r.Name, replayState(r), replayProgress(r))
	fmt.Fprintf(out, "sends   %s to %s\n", spec.String(), spec.Target)
	fmt.Fprintf(out, "at      sequence %d, %s\n", r.Position, humanize.IBytes(uint64(max(0, replay.DetailOf(r).Bytes))))
	fmt.Fprintf(out, "by      %s (%s) at %s\n", r.Actor, spec.Via, r.CreatedAt.Format(time.RFC3339))
	if r.Holder != "" {
		fmt.Fprintf(out, "worker  %s\n", r.Holder)
	}
	if r.Error != "" {
		fmt.Fprintf(out, "failed  %s\n", r.Error)
	}
	return nil
}
