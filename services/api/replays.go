package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/replay"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// planTimeout is how long it may take to count what a replay would send.
const planTimeout = 5 * time.Minute

// maxKeepSeconds is the longest that there are durations for.
const maxKeepSeconds = int(math.MaxInt64 / time.Second)

// replays is where replays are asked for.
func (a *api) replays() (*replay.Desk, error) {
	if a.bus == nil {
		return nil, errNoBroker
	}
	return newReplayDesk(a.bus, a.replayDir), nil
}

func newReplayDesk(b *bus.Bus, dir string) *replay.Desk {
	return &replay.Desk{Bus: b, Via: replay.ViaAPI, Dir: dir, Actor: caller, Holder: worker()}
}

// replayed works on what was asked for, here or in a process that has died, until ctx ends.
func replayed(ctx context.Context, b *bus.Bus, dir string, logger *slog.Logger) {
	newReplayDesk(b, dir).Serve(ctx, logger)
}

// worker names this process in the book of runs.
func worker() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("api@%s:%d", host, os.Getpid())
}

// listReplays answers with all replays.
func (a *api) listReplays(w http.ResponseWriter, r *http.Request) error {
	if err := newQuery(r).done(); err != nil {
		return err
	}
	desk, err := a.replays()
	if err != nil {
		return err
	}
	list, err := desk.List(r.Context())
	if err != nil {
		return err
	}
	return respondOnce(w, r, ReplayList{convert(list, newReplay)})
}

// getReplay answers with one replay.
func (a *api) getReplay(w http.ResponseWriter, r *http.Request) error {
	if err := newQuery(r).done(); err != nil {
		return err
	}
	desk, err := a.replays()
	if err != nil {
		return err
	}
	run, err := desk.Get(r.Context(), r.PathValue("replay"))
	if err != nil {
		return err
	}
	return respondOnce(w, r, ReplayAnswer{newReplay(run)})
}

// beginReplay says what a replay sends, and begins it unless only that is asked.
func (a *api) beginReplay(w http.ResponseWriter, r *http.Request) error {
	var order ReplayOrder
	if err := readBody(w, r, &order); err != nil {
		return err
	}
	request, err := a.replayRequest(&order)
	if err != nil {
		return err
	}
	desk, err := a.replays()
	if err != nil {
		return err
	}
	// Counting may take longer than what else is answered here.
	ctx, cancel := context.WithTimeout(r.Context(), planTimeout)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(planTimeout + writeTimeout)) // A test has no connection.
	if !order.DryRun {
		if err := desk.Check(ctx, order.Name); err != nil {
			return err
		}
	}
	plan, err := desk.Plan(ctx, request, nil)
	if err != nil {
		return err
	}
	answer := ReplayBegun{DryRun: order.DryRun, Plan: newReplayPlan(plan)}
	if !order.DryRun {
		run, err := desk.Create(ctx, order.Name, plan)
		if err != nil {
			return err
		}
		answer.Replay = new(newReplay(run))
	}
	return respondOnce(w, r, ReplayBegunAnswer{answer})
}

// replayRequest is an order in the words of those who replay.
func (a *api) replayRequest(o *ReplayOrder) (replay.Request, error) {
	rate, err := paceOf(o.Rate)
	if err != nil {
		return replay.Request{}, err
	}
	if o.KeepSeconds < 0 {
		return replay.Request{}, invalidBody("has keep_seconds below 0")
	}
	if o.KeepSeconds > maxKeepSeconds {
		return replay.Request{}, invalidBody(fmt.Sprintf("has keep_seconds above %d", maxKeepSeconds))
	}
	for _, name := range o.Providers {
		if !slices.Contains(a.providers, name) {
			return replay.Request{}, invalidBody("names a provider that is unknown; known are " + strings.Join(a.providers, ", "))
		}
	}
	var failed error
	applicant := verification.Pseudonymous(o.Applicant, func(text string) string {
		if a.keys == nil {
			failed = errNoPseudonyms
			return ""
		}
		return a.keys.Pseudonym(text)
	})
	return replay.Request{
		Sandbox: o.Sandbox, Since: o.Since, Until: o.Until, From: o.FromSequence, Through: o.ToSequence, FromFirst: o.FromFirst,
		Target: o.Target, Rate: rate, Keep: time.Duration(o.KeepSeconds) * time.Second, BearerFile: o.BearerFile, HeaderFile: o.HeaderFile,
		Filter: replay.Filter{
			Providers: o.Providers, Kinds: o.Kinds, Statuses: o.Statuses, Scope: verification.Scope(o.Scope),
			Applicant: applicant, Verification: o.Verification,
		},
	}, failed
}

// askReplay returns what asks something of a replay and answers with how it stands.
func (a *api) askReplay(ask func(*replay.Desk, context.Context, string) (runs.Run, error)) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := readBody(w, r, &Nothing{}); err != nil {
			return err
		}
		desk, err := a.replays()
		if err != nil {
			return err
		}
		run, err := ask(desk, r.Context(), r.PathValue("replay"))
		if err != nil {
			return err
		}
		return respondOnce(w, r, ReplayAnswer{newReplay(run)})
	}
}

// forgetReplay answers with how the replay stood that is forgotten.
func forgetReplay(desk *replay.Desk, ctx context.Context, name string) (runs.Run, error) {
	run, err := desk.Get(ctx, name)
	if err != nil {
		return run, err
	}
	return run, desk.Forget(ctx, name)
}

func newReplay(r runs.Run) Replay {
	spec, _ := replay.SpecOf(r) // It is we who wrote it.
	detail := replay.DetailOf(r)
	return Replay{
		Name: r.Name, State: string(r.State), Wanted: orNull(r.Wanted), Stream: spec.Stream, FromSequence: spec.From, ToSequence: spec.Through,
		Filter: spec.Filter.String(), Target: spec.Target, Rate: orNull(spec.Rate), Done: int(r.Done), Total: int(r.Total), Position: r.Position,
		Bytes: int(detail.Bytes), EventsPerSecond: int(detail.Rate), SecondsLeft: orNull(seconds(replay.Left(r).Seconds())),
		AskedBy: r.Actor, Via: spec.Via, CreatedAt: r.CreatedAt, StartedAt: timeOrNull(r.StartedAt), EndedAt: timeOrNull(r.EndedAt), Error: orNull(r.Error),
	}
}

func newReplayPlan(p replay.Plan) ReplayPlan {
	return ReplayPlan{
		Stream: p.Spec.Stream, FromSequence: p.Spec.From, ToSequence: p.Spec.Through, Target: p.Spec.Target,
		Events: int(p.Events), FirstAt: p.First, LastAt: p.Last, Bytes: int(p.Bytes), Seconds: seconds(p.Seconds),
	}
}

// seconds rounds up: what takes any time at all takes a second.
func seconds(s float64) int { return int(math.Ceil(s)) }

// replayProblem is the problem of an error of those who replay, nil where it is none of theirs.
func replayProblem(err error) *problem {
	switch {
	case errors.Is(err, replay.ErrRequest), errors.Is(err, runs.ErrName):
		return newProblem(http.StatusBadRequest, CauseInvalidBody, "Invalid body", sentence(err))
	case errors.Is(err, replay.ErrNothing):
		return newProblem(http.StatusNotFound, CauseNotFound, "Not found", sentence(err))
	case errors.Is(err, replay.ErrTrimmed), errors.Is(err, replay.ErrOverlap), errors.Is(err, runs.ErrExists), errors.Is(err, runs.ErrNotOver),
		errors.Is(err, runs.ErrHeld):
		return newProblem(http.StatusConflict, CauseNotPossible, "Not possible", sentence(err))
	default:
		return nil
	}
}
