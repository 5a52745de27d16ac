package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/replay"
	"github.com/verdict-stream/verdict/pkg/runs"
)

const (
	// askPause is between two looks whether a worker has done what it was asked, and askPatience how long that may take: a worker that has died
	// keeps its run for ten seconds.
	askPause    = 200 * time.Millisecond
	askPatience = 20 * time.Second
)

type replayPauseCommand struct {
	Name string `arg:"" help:"The replay."`
}

// Help is shown by `verdict replay pause --help`.
func (*replayPauseCommand) Help() string {
	return `Stops a replay where it is. Resume goes on from there.

Example:
  verdict replay pause late-team`
}

// Run asks, and waits until it has stopped.
func (cmd *replayPauseCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, _, desk, stop, err := openReplay(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	run, err := untilAsked(ctx, desk.Pause, desk, cmd.Name, runs.Paused)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is paused at %d of %d\n", run.Name, run.Done, run.Total)
	return err
}

type replayCancelCommand struct {
	Name string `arg:"" help:"The replay."`
}

// Help is shown by `verdict replay cancel --help`.
func (*replayCancelCommand) Help() string {
	return `Ends a replay for good and removes its stream, or what it has written of its file. What an endpoint
has taken stays there.

Example:
  verdict replay cancel late-team`
}

// Run asks, and waits until nothing is left.
func (cmd *replayCancelCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, _, desk, stop, err := openReplay(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	run, err := untilAsked(ctx, desk.Cancel, desk, cmd.Name, runs.Canceled)
	if err != nil {
		return err
	}
	if left := desk.Leftover(run); left != "" {
		fmt.Fprintf(os.Stderr, "verdict: if it is still there, remove %s\n", left)
	}
	_, err = fmt.Fprintf(out, "%s is canceled\n", run.Name)
	return err
}

// untilAsked asks for something until the run is in the state that was asked for: its worker may have died with it.
func untilAsked(ctx context.Context, ask func(context.Context, string) (runs.Run, error), desk *replay.Desk, name string, state runs.State) (runs.Run, error) {
	run, err := ask(ctx, name)
	for begun := time.Now(); err == nil && run.State != state; {
		switch {
		case run.Over() || run.State == runs.Failed:
			return run, fmt.Errorf("replay %s: %w: it is %s", name, runs.ErrOver, run.State)
		case time.Since(begun) > askPatience:
			return run, fmt.Errorf("%s has not stopped within %v; it is asked to: see `verdict replay status %s`", name, askPatience, name)
		}
		select {
		case <-ctx.Done():
			return run, errors.New("interrupted; it was asked to stop")
		case <-time.After(askPause):
		}
		if run, err = desk.Get(ctx, name); err == nil && run.State == runs.Running && time.Now().After(run.HeldUntil) {
			run, err = ask(ctx, name)
		}
	}
	return run, replayNext(err)
}

type replayResumeCommand struct {
	Name string `arg:"" help:"The replay."`
	JSON bool   `name:"json" help:"Print the run as JSON when it has ended."`
}

// Help is shown by `verdict replay resume --help`.
func (*replayResumeCommand) Help() string {
	return `Goes on with a replay that is paused or has failed, or whose process has died, from where it was. One that
was asked for over the API is worked on there. A file can go on only on the machine where it was begun.

Example:
  verdict replay resume late-team`
}

// Run goes on here, or lets the API go on.
func (cmd *replayResumeCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, _, desk, stop, err := openReplay(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := untilFree(ctx, desk, cmd.Name); err != nil {
		return replayNext(err)
	}
	run, err := desk.Resume(ctx, cmd.Name)
	if err != nil {
		return replayNext(err)
	}
	spec, err := replay.SpecOf(run)
	if err != nil {
		return err
	}
	if spec.Via != replay.ViaCLI {
		_, err := fmt.Fprintf(out, "%s goes on in the process of the API: see `verdict replay status %s`\n", cmd.Name, cmd.Name)
		return err
	}
	return workOnReplay(ctx, desk, cmd.Name, cmd.JSON, out)
}

// untilFree waits until nobody is known to work on a run: who has died keeps it for a while. Errors: runs.ErrHeld where somebody does work.
func untilFree(ctx context.Context, desk *replay.Desk, name string) error {
	first, told := time.Time{}, false
	for {
		run, err := desk.Get(ctx, name)
		if err != nil || run.State != runs.Running || time.Now().After(run.HeldUntil) {
			return err
		}
		if first.IsZero() {
			first = run.HeldUntil
		}
		// Who lives prolongs his lease.
		if run.HeldUntil.After(first) {
			return fmt.Errorf("replay %s: %w: %s", name, runs.ErrHeld, run.Holder)
		}
		if !told {
			fmt.Fprintf(os.Stderr, "waiting until %s is known to be gone\n", run.Holder)
			told = true
		}
		select {
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-time.After(askPause):
		}
	}
}

type replayForgetCommand struct {
	Name string `arg:"" help:"The replay."`
}

// Help is shown by `verdict replay forget --help`.
func (*replayForgetCommand) Help() string {
	return `Removes a replay that is done, canceled or has failed from the list, with its stream, or with what it has
written of a file that is not whole. A file that is whole stays. Its name is free then.

Example:
  verdict replay forget late-team`
}

// Run forgets.
func (cmd *replayForgetCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, _, desk, stop, err := openReplay(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := desk.Forget(ctx, cmd.Name); err != nil {
		return replayNext(err)
	}
	_, err = fmt.Fprintf(out, "%s is forgotten\n", cmd.Name)
	return err
}
