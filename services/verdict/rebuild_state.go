package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/services/lifecycle"
)

type rebuildStateCommand struct {
	Provider []string `help:"The providers whose state is made anew; otherwise all, one after the other." placeholder:"NAME"`
	Accept   bool     `help:"Have the new state take the place of the one in use also where they differ, and read the deliveries again that are kept."`
	DropOld  bool     `help:"Remove the state that was in use before the last rebuild, and do nothing else."`
	Detach   bool     `help:"Do not wait for it."`
	JSON     bool     `name:"json" help:"Print the results as JSON."`
}

// Help is shown by `verdict rebuild state --help`.
func (*rebuildStateCommand) Help() string {
	return `Makes the lifecycle's state of a provider anew from the streams of events, beside the one in use, while
deliveries are handled. What the streams do not hold any more, because it was archived or has expired, is
taken over from the state in use. Then both are compared, each verification with all its signals, and it is
said how many those were, with a checksum of either side. What was written meanwhile is compared again, and is
in the checksums each time.

If they are the same the new state takes the place of the other; deliveries wait for a moment then. If not,
nothing changes, and it is said which verifications differ. The former state is kept until --drop-old.
Cancel (verdict rebuild cancel state-NAME) leaves no trace, and a lifecycle that is killed meanwhile begins
anew at its next start.

Examples:
  verdict rebuild state --provider idenfy
  verdict rebuild state --provider idenfy --accept
      Mend a state that is wrong.
  verdict rebuild state --drop-old`
}

// stateRun names the run that makes a provider's state anew.
func stateRun(provider string) string { return "state-" + provider }

// stateResult is what has become of one provider.
type stateResult struct {
	Provider string                        `json:"provider"`
	Run      *runs.Run                     `json:"run,omitempty"`
	Detail   *lifecycle.RebuildStateDetail `json:"detail,omitempty"`
	Dropped  *bool                         `json:"dropped,omitempty"`
	Error    string                        `json:"error,omitempty"`
}

// Run asks for the rebuilds and follows them.
func (cmd *rebuildStateCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	var known, names []string
	for i := range providers {
		known = append(known, providers[i].Name)
	}
	for _, name := range cmd.Provider {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no provider %q: one of %s", name, strings.Join(known, ", "))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = known
	}
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	for _, name := range names {
		if err := o.idleLifecycle(ctx, name); err != nil {
			return err
		}
	}
	var results []stateResult
	var failed error
	for _, name := range names {
		result, err := cmd.one(ctx, o, name, out)
		if err != nil {
			failed, result.Error = errors.Join(failed, err), err.Error()
		}
		results = append(results, result)
		if ctx.Err() != nil {
			break
		}
	}
	if cmd.JSON {
		failed = errors.Join(writeIndented(out, results), failed)
	}
	return failed
}

func (cmd *rebuildStateCommand) one(ctx context.Context, o *operator, name string, out io.Writer) (stateResult, error) {
	result := stateResult{Provider: name}
	say := func(format string, args ...any) {
		if !cmd.JSON {
			fmt.Fprintf(out, name+": "+format+"\n", args...)
		}
	}
	if cmd.DropOld {
		dropped, err := store.DropFormer(ctx, o.place().location(), name)
		result.Dropped = &dropped
		if err == nil {
			say(map[bool]string{true: "the former state is removed", false: "there is no former state"}[dropped])
		}
		return result, err
	}
	if err := o.begin(ctx, lifecycle.VerbRebuildState, stateRun(name), lifecycle.RebuildStateSpec{Provider: name, Accept: cmd.Accept}); err != nil {
		return result, err
	}
	if cmd.Detach {
		say("the rebuild was asked for: see `verdict rebuild status`")
		return result, nil
	}
	r, err := o.followRebuild(ctx, lifecycle.VerbRebuildState, stateRun(name), "a lifecycle of "+name)
	result.Run, result.Detail = &r, &lifecycle.RebuildStateDetail{}
	if json.Unmarshal(r.Detail, result.Detail) != nil {
		result.Detail = nil
	}
	if d := result.Detail; d != nil && d.InUse != (lifecycle.StateSum{}) {
		for _, side := range []struct {
			name string
			sum  lifecycle.StateSum
		}{{"in use", d.InUse}, {"new", d.Made}} {
			say("%-6s  %10d verifications  %10d signals  %s", side.name, side.sum.Verifications, side.sum.Signals, side.sum.Sum)
		}
	}
	if d := result.Detail; d != nil {
		for _, differs := range d.Differences {
			say("%s differs: %s (version %d in the state, %d in the stream)", differs.Verification, strings.Join(differs.Differs, ", "), differs.State, differs.Stream)
		}
		if d.Replaced {
			say("the new state is in use: %d verifications, %d of them with what the streams do not hold any more, %d differed; deliveries waited for %v. "+
				"The former one is kept until `verdict rebuild state --drop-old`", d.Verifications, d.Carried, d.Differing, d.Paused.Round(time.Millisecond))
		}
	}
	return result, err
}
