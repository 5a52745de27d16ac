package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/services/lifecycle"
)

type reprocessCommand struct {
	Plan     reprocessPlanCommand   `cmd:"" help:"Say what reading deliveries once more would change, and change nothing."`
	Run      reprocessRunCommand    `cmd:"" help:"Plan, and then emit what changes."`
	Status   reprocessStatusCommand `cmd:"" help:"Show how far a run is."`
	List     reprocessListCommand   `cmd:"" help:"List the runs."`
	Pause    reprocessPauseCommand  `cmd:"" help:"Have a run wait."`
	Resume   reprocessResumeCommand `cmd:"" help:"Have a run go on that is paused or has failed."`
	Cancel   reprocessCancelCommand `cmd:"" help:"End a run."`
	Forget   reprocessForgetCommand `cmd:"" help:"Take a run that has ended off the list."`
	Settings kong.Plugins           `embed:""`
}

// Help is shown by `verdict reprocess --help`.
func (*reprocessCommand) Help() string {
	return `After a decoder or a table was mended, the deliveries whose bodies are still kept are read once more by the
new version. Plan shows first what would become another verification; run then emits that, and nothing
else: a delivery that means what it meant before makes no event.

Examples:
  verdict reprocess plan --provider idenfy
  verdict reprocess run --provider idenfy --rate 500
  verdict reprocess status idenfy`
}

// reprocessSelection is which deliveries are meant.
type reprocessSelection struct {
	Provider     string `help:"The provider; may be left out where a verification is named."`
	Kind         string `help:"Only verifications of this kind."`
	Verification string `help:"Only this verification, by its id." placeholder:"ID"`
	Since        moment `help:"Only deliveries received since then: a time, or how long ago." placeholder:"TIME"`
	Until        moment `help:"Only deliveries received before then." placeholder:"TIME"`
	Limit        int    `default:"20" help:"How many differences are shown; they are all counted."`
	JSON         bool   `name:"json" help:"Print the plan as JSON."`
}

// spec checks what was asked for against what there is.
func (s *reprocessSelection) spec(providers []provider.Provider) (lifecycle.ReprocessSpec, error) {
	var none lifecycle.ReprocessSpec
	if s.Limit < 0 {
		return none, errors.New("--limit must not be less than 0")
	}
	if s.Verification != "" {
		id, err := verification.ParseID(s.Verification)
		if err != nil {
			return none, fmt.Errorf("--verification: %q is no id of a verification, as provider/kind/reference", s.Verification)
		}
		if s.Provider != "" && s.Provider != id.Provider || s.Kind != "" && s.Kind != id.Kind {
			return none, fmt.Errorf("--verification %s is of another provider or kind than asked for", s.Verification)
		}
		s.Provider = id.Provider
	}
	var names []string
	for i := range providers {
		names = append(names, providers[i].Name)
	}
	i := slices.Index(names, s.Provider)
	switch {
	case s.Provider == "":
		return none, fmt.Errorf("--provider is missing: one of %s", strings.Join(names, ", "))
	case i < 0:
		return none, fmt.Errorf("there is no provider %q: one of %s", s.Provider, strings.Join(names, ", "))
	}
	if _, known := providers[i].Kind(s.Kind); s.Kind != "" && !known {
		return none, fmt.Errorf("%s has no kind %q", s.Provider, s.Kind)
	}
	if !s.Since.IsZero() && !s.Until.IsZero() && !s.Since.Before(s.Until.Time) {
		return none, errors.New("--since must be before --until")
	}
	spec := lifecycle.NewReprocessSpec(&providers[i])
	spec.Kind, spec.Verification, spec.Since, spec.Until = s.Kind, s.Verification, s.Since.Time, s.Until.Time
	return spec, nil
}

// planReprocess makes the plan in a directory of its own, which it removes.
func (o *operator) planReprocess(ctx context.Context, spec lifecycle.ReprocessSpec, limit int, quiet bool) (*lifecycle.ReprocessPlan, error) {
	keys, err := o.cfg.openKeys()
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, errors.New("the master key is not set: without it no delivery can be read (VERDICT_MASTER_KEY)")
	}
	dir, err := os.MkdirTemp("", "verdict-reprocess-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the plan: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what the plan made there is gone by then
	told := progress{quiet: quiet}
	plan, err := lifecycle.PlanReprocess(ctx, lifecycle.Config{
		Bus: o.bus, Keys: keys, Store: o.place().location(), Instance: o.cfg.Instance, Providers: o.providers, Retention: o.cfg.retentionOf,
	}, spec, dir, limit, func(step string, done, total uint64) { told.show("plan: "+step, done, total) })
	told.end()
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("there is no state to compare with: name its data directory with --data-dir, or its database: %w", err)
	case err != nil:
		return nil, err
	case spec.Verification != "" && plan.Verifications == 0:
		return nil, fmt.Errorf("no delivery that is kept tells of %s", spec.Verification)
	case plan.Read() == 0:
		return nil, fmt.Errorf("no delivery of %s is kept that this chooses", spec.Provider)
	}
	return plan, nil
}
