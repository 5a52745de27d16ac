package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/archive"
	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/provider"
)

type archiveCommand struct {
	Plan archivePlanCommand `cmd:"" help:"Say what would be archived, and change nothing."`
	Run  archiveRunCommand  `cmd:"" help:"Write old events to files, and trim the stream."`
}

// Help is shown by `verdict archive --help`.
func (*archiveCommand) Help() string {
	return `Moves old events of KYC_VERIFICATIONS to files: every event before a position or a time, and the latest one
of every verification. When all of it is on disk and was read back, the stream forgets these events.
Read models keep what they have. A state that is lost later is made anew from the archive and the stream,
so keep its directory, which is archive in the data directory unless you say otherwise, and back it up.

Examples:
  verdict archive plan --before 2026-01-01T00:00:00Z
  verdict archive run --before 2160h
  verdict archive run --before 1000000 --to /srv/verdict-archive`
}

// archiveSelection is what is to be archived.
type archiveSelection struct {
	Before          string       `required:"" help:"The first event that stays: its position, its time as RFC 3339, or its age, as 2160h." placeholder:"SEQ|TIME"`
	To              string       `help:"Directory of the archive; otherwise archive in the data directory." type:"path" placeholder:"DIR"`
	IgnoreConsumers []string     `help:"Consumers that lose what they have not read of it." placeholder:"NAME"`
	Young           bool         `help:"Archive also what deliveries within their retention have caused: a restore could not make their claims again."`
	Apart           bool         `help:"Begin an archive that lacks what was archived before: no state can be made anew from it."`
	JSON            bool         `name:"json" help:"Print the result as JSON."`
	Settings        kong.Plugins `embed:""`
}

type archivePlanCommand struct {
	archiveSelection
}

type archiveRunCommand struct {
	archiveSelection
	Quiet bool `help:"Show no progress."`
}

// archivePlan is what an archive comes to.
type archivePlan struct {
	Stream  string    `json:"stream"`
	First   uint64    `json:"first"`
	Through uint64    `json:"through"`
	Last    uint64    `json:"last"`
	Events  uint64    `json:"events"`
	Bytes   uint64    `json:"bytes"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Dir     string    `json:"dir"`
	// Behind are consumers that have not read all of it.
	Behind []behindConsumer `json:"behind"`
	// Obstacles are other reasons that keep the stream from being trimmed.
	Obstacles []string `json:"obstacles"`
	Trimmed   bool     `json:"trimmed"`

	identity string
}

type behindConsumer struct {
	Name    string `json:"name"`
	At      uint64 `json:"at"`
	Ignored bool   `json:"ignored"`
}

// Help is shown by `verdict archive plan --help`.
func (*archivePlanCommand) Help() string {
	return `Says how many events of which period would be archived, and what is in the way: consumers that have not read
them, work that needs them, or deliveries that are still kept. Nothing is written.

Examples:
  verdict archive plan --before 2026-01-01T00:00:00Z
  verdict archive plan --before 2160h --json`
}

// Run prints the plan.
func (cmd *archivePlanCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	plan, err := cmd.plan(ctx, o)
	if err != nil {
		return err
	}
	return plan.write(out, cmd.JSON)
}

// Help is shown by `verdict archive run --help`.
func (*archiveRunCommand) Help() string {
	return `Writes the events to files, reads them back, and only then has the stream forget them. Where anything is in the
way, nothing is trimmed, and it is said what. Whatever interrupts it, the same command goes on.

Examples:
  verdict archive run --before 2160h
  verdict archive run --before 1000000 --to /srv/verdict-archive`
}

// Run writes the archive and trims the stream. Whatever ends it, it may be run again.
func (cmd *archiveRunCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	plan, err := cmd.plan(ctx, o)
	if errors.Is(err, errNothingToArchive) {
		return cmd.finished(ctx, o, err)
	}
	if err != nil {
		return err
	}
	if err := plan.refuse(); err != nil {
		return err
	}
	a, err := archive.OpenOrCreate(plan.Dir, plan.Stream, plan.identity, o.cfg.Instance, plan.First)
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }() // what is written is on disk
	shown := &progress{quiet: cmd.Quiet}
	err = a.Extend(ctx, plan.Through, func(ctx context.Context, from uint64, fn func(bus.Stored) error) error {
		_, err := o.bus.Read(ctx, plan.Stream, ">", from, fn)
		return err
	}, func(n uint64) { shown.show("write events", n, plan.Events) })
	shown.end()
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted: nothing was trimmed; the same command goes on")
	}
	if err != nil {
		return fmt.Errorf("%w; nothing was trimmed, and the same command goes on", err)
	}
	failpoint.Hit(failpoint.ArchiveWritten)
	if err := cmd.trim(ctx, o, a, plan); err != nil {
		return err
	}
	return plan.write(out, cmd.JSON)
}

// errNothingToArchive means that the stream does not reach back that far.
var errNothingToArchive = errors.New("there is nothing to archive")

// finished ends a run that died when it had trimmed the stream; of any other it returns that there was nothing to do.
func (cmd *archiveRunCommand) finished(ctx context.Context, o *operator, nothing error) error {
	a, err := archive.Open(archiveDir(o.cfg, cmd.To))
	if errors.Is(err, archive.ErrNone) {
		return nothing
	}
	if err != nil {
		return err
	}
	state, err := o.bus.StreamState(ctx, bus.Verifications)
	if err != nil {
		return err
	}
	if m := a.Manifest(); m.Trimmed < m.Through && state.FirstSeq == m.Through+1 {
		return a.MarkTrimmed()
	}
	return nothing
}

// trim has the stream forget what is in the archive, as far as everybody has read it by now. Whatever was written long ago is read back once more.
func (cmd *archiveSelection) trim(ctx context.Context, o *operator, a *archive.Archive, plan *archivePlan) error {
	if err := a.Verify(ctx); err != nil {
		return fmt.Errorf("%w; nothing was trimmed", err)
	}
	if err := cmd.obstacles(ctx, o, plan); err != nil {
		return err
	}
	if err := plan.refuse(); err != nil {
		return err
	}
	if err := o.audit(ctx, bus.AuditEntry{
		Verb: "archive", Target: plan.Stream, Filter: "before " + cmd.Before, Count: plan.Events, Note: fmt.Sprintf("trimmed through %d, archived in %s", plan.Through, plan.Dir),
	}); err != nil {
		return err
	}
	if err := o.bus.Trim(ctx, plan.Stream, plan.Through); err != nil {
		return fmt.Errorf("%w; the same command tries again", err)
	}
	failpoint.Hit(failpoint.ArchiveTrimmed)
	plan.Trimmed = true
	return a.MarkTrimmed()
}

// plan finds out what there is to do.
func (cmd *archiveSelection) plan(ctx context.Context, o *operator) (*archivePlan, error) {
	state, err := o.bus.StreamState(ctx, bus.Verifications)
	if err != nil {
		return nil, err
	}
	plan := &archivePlan{
		Stream: bus.Verifications, First: state.FirstSeq, Last: state.LastSeq, Dir: archiveDir(o.cfg, cmd.To), Behind: []behindConsumer{}, Obstacles: []string{},
	}
	if plan.identity, err = o.bus.StreamIdentity(ctx, bus.Verifications); err != nil {
		return nil, err
	}
	before, err := cmd.before(ctx, o)
	if err != nil {
		return nil, err
	}
	switch {
	case before > state.LastSeq+1:
		return nil, fmt.Errorf("--before: the stream ends at %d", state.LastSeq)
	case state.Messages == 0:
		return nil, fmt.Errorf("%w: the stream has no events", errNothingToArchive)
	case before <= state.FirstSeq:
		return nil, fmt.Errorf("%w: the stream begins at %d, with an event of %s", errNothingToArchive, state.FirstSeq, state.FirstTime.UTC().Format(time.RFC3339))
	}
	plan.Through = before - 1
	plan.Events = plan.Through - plan.First + 1
	plan.Bytes = uint64(float64(state.Bytes) * float64(plan.Events) / float64(state.LastSeq-state.FirstSeq+1))
	plan.From = state.FirstTime
	last, err := o.bus.Get(ctx, bus.Verifications, plan.Through)
	if err != nil {
		return nil, err
	}
	plan.Until = last.Time
	return plan, cmd.obstacles(ctx, o, plan)
}

// before is the position of the first event that stays.
func (cmd *archiveSelection) before(ctx context.Context, o *operator) (uint64, error) {
	if seq, err := strconv.ParseUint(cmd.Before, 10, 64); err == nil {
		return seq, nil
	}
	var at moment
	if err := at.UnmarshalText([]byte(cmd.Before)); err != nil {
		return 0, fmt.Errorf("--before: %w, nor a position", err)
	}
	return o.bus.FirstSince(ctx, bus.Verifications, at.Time)
}

// obstacles finds out who still needs the events in the stream.
func (cmd *archiveSelection) obstacles(ctx context.Context, o *operator, plan *archivePlan) error {
	readers, err := o.bus.Readers(ctx, plan.Stream)
	if err != nil {
		return err
	}
	plan.Behind, plan.Obstacles = plan.Behind[:0], plan.Obstacles[:0]
	names := map[string]bool{}
	for _, r := range readers {
		names[r.Name] = true
		if r.Next > 0 && r.Next <= plan.Through {
			plan.Behind = append(plan.Behind, behindConsumer{r.Name, r.Next, slices.Contains(cmd.IgnoreConsumers, r.Name)})
		}
	}
	for _, name := range cmd.IgnoreConsumers {
		if !names[name] {
			return fmt.Errorf("--ignore-consumers: %s has no durable consumer %q", plan.Stream, name)
		}
	}
	slices.SortFunc(plan.Behind, func(a, b behindConsumer) int { return cmp.Compare(a.Name, b.Name) })
	if plan.Obstacles, err = o.readingRuns(ctx); err != nil {
		return err
	}
	kept := time.Now().Add(-o.place().longestRetention() - claimsGrace)
	if !cmd.Young && plan.Until.After(kept) {
		plan.Obstacles = append(plan.Obstacles, fmt.Sprintf("events since %s may be of deliveries that are still kept: choose an earlier --before, or archive them with --young", kept.UTC().Format(time.RFC3339)))
	}
	// One that begins later is of no use to a state that is lost, nor is the one before that ends where it begins.
	_, err = archive.Open(plan.Dir)
	switch {
	case errors.Is(err, archive.ErrNone) && plan.First > 1 && !cmd.Apart:
		plan.Obstacles = append(plan.Obstacles, fmt.Sprintf("the stream begins at %d, and what was before is not in %s: name the directory of the archive that has it with --to, or begin another one with --apart", plan.First, plan.Dir))
	case err != nil && !errors.Is(err, archive.ErrNone):
		return err
	}
	late, err := o.lateStates(ctx, plan.Through)
	plan.Obstacles = append(plan.Obstacles, late...)
	return err
}

// refuse returns why the stream must not be trimmed, nil where it may be.
func (plan *archivePlan) refuse() error {
	var behind []string
	for _, b := range plan.Behind {
		if !b.Ignored {
			behind = append(behind, fmt.Sprintf("%s, at %d", b.Name, b.At))
		}
	}
	switch {
	case len(behind) > 0:
		return fmt.Errorf("these consumers have not read all of it: %s. Wait for them, or let them lose it with --ignore-consumers; nothing was trimmed", strings.Join(behind, "; "))
	case len(plan.Obstacles) > 0:
		return fmt.Errorf("%s; nothing was trimmed", strings.Join(plan.Obstacles, "; "))
	}
	return nil
}

func (plan *archivePlan) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return writeIndented(out, plan)
	}
	verb := "would archive"
	if plan.Trimmed {
		verb = "archived"
	}
	fmt.Fprintf(out, "%s %d events of %s, %d to %d of %d, %s to %s, about %d bytes, to %s\n", verb, plan.Events, plan.Stream,
		plan.First, plan.Through, plan.Last, plan.From.UTC().Format(time.RFC3339), plan.Until.UTC().Format(time.RFC3339), plan.Bytes, plan.Dir)
	for _, b := range plan.Behind {
		note := ""
		if b.Ignored {
			note = ", and loses what it has not read"
		}
		fmt.Fprintf(out, "  consumer %s is at %d%s\n", b.Name, b.At, note)
	}
	for _, obstacle := range plan.Obstacles {
		fmt.Fprintf(out, "  %s\n", obstacle)
	}
	return nil
}

// archiveDir is the directory of the archive.
func archiveDir(cfg *Config, set string) string {
	return cmp.Or(set, filepath.Join(cfg.DataDir, "archive"))
}
