package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/replay"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/verification"
)

type replayCommand struct {
	Plan     replayPlanCommand   `cmd:"" help:"Say what a replay would send, and send nothing."`
	Run      replayRunCommand    `cmd:"" help:"Send events once more."`
	Status   replayStatusCommand `cmd:"" help:"Say how far a replay is, or how it ended."`
	List     replayListCommand   `cmd:"" help:"List replays."`
	Pause    replayPauseCommand  `cmd:"" help:"Stop a replay for now."`
	Resume   replayResumeCommand `cmd:"" help:"Go on with a replay that is paused, failed or was interrupted."`
	Cancel   replayCancelCommand `cmd:"" help:"End a replay and remove what it has made."`
	Forget   replayForgetCommand `cmd:"" help:"Remove a replay that has ended from the list, and its stream."`
	Settings kong.Plugins        `embed:""`
}

// Help is shown by `verdict replay --help`.
func (*replayCommand) Help() string {
	return `Sends events once more that were published before: to a stream of its own, to a file, or to an HTTP
endpoint. Each is the event as it was, with the CloudEvents extension "replay" that names the replay,
so that whoever gets it can leave out what must be done only once. Plan first, then run.

Examples:
  verdict replay plan --provider idenfy --since 2026-03-01T00:00:00Z
  verdict replay run late-team --provider idenfy --since 2026-03-01T00:00:00Z
      The stream KYC_REPLAY_LATE-TEAM, with the subjects kyc.replay.late-team.>
  verdict replay run march --to file:march.ndjson
  verdict replay run crm --to https://crm.example/events --bearer-file token --rate 50
  verdict replay status crm
  verdict replay pause crm
  verdict replay resume crm`
}

// replaySelection is what is to be sent.
type replaySelection struct {
	Provider     []string           `help:"Only events of these providers."`
	Kind         []string           `help:"Only events of these kinds of verifications."`
	Scope        verification.Scope `help:"Only events of this scope: case or step."`
	Status       []string           `help:"Only events that were published under these: a status, noted, overdue or anonymized."`
	Applicant    string             `help:"Only events about this person, by the provider's reference, or its hash as events show it." placeholder:"REFERENCE"`
	Verification string             `help:"Only events of this verification, by its id." placeholder:"ID"`
	Sandbox      bool               `help:"Events of the providers' test environments instead."`
	Since        moment             `help:"Begin with the first event that was stored at this time or later: RFC 3339, or how long ago, as 90m." placeholder:"TIME"`
	Until        moment             `help:"End before the first event that was stored at this time or later." placeholder:"TIME"`
	FromSequence uint64             `help:"Begin with this position of the stream." placeholder:"SEQUENCE"`
	ToSequence   uint64             `help:"End with this position of the stream; otherwise with what there is when it begins." placeholder:"SEQUENCE"`
	FromFirst    bool               `help:"Be content with what the stream has, where it was trimmed."`
	To           string             `help:"Where to send: subject for a stream of its own, file:PATH, or a URL." default:"subject" placeholder:"TARGET"`
	Rate         float64            `help:"How many events a second at most; otherwise as fast as it goes." placeholder:"N"`
	Keep         time.Duration      `help:"How long the stream keeps its messages; otherwise 72h." placeholder:"DURATION"`
	BearerFile   string             `help:"File with a token that is sent to the endpoint." placeholder:"FILE"`
	HeaderFile   string             `help:"File with headers that are sent to the endpoint, one NAME: VALUE in a line." placeholder:"FILE"`
}

// request is what is asked for, with the reference to a person as events have it.
func (s *replaySelection) request(o *operator) (replay.Request, error) {
	r := replay.Request{
		Sandbox: s.Sandbox, Since: s.Since.Time, Until: s.Until.Time, From: s.FromSequence, Through: s.ToSequence, FromFirst: s.FromFirst,
		Target: s.To, Rate: s.Rate, Keep: s.Keep, BearerFile: s.BearerFile, HeaderFile: s.HeaderFile,
		Filter: replay.Filter{Providers: s.Provider, Kinds: s.Kind, Statuses: s.Status, Scope: s.Scope, Verification: s.Verification},
	}
	if err := s.check(o.providers); err != nil {
		return r, err
	}
	var err error
	r.Filter.Applicant, err = o.pseudonymous(s.Applicant)
	return r, err
}

// check refuses names that nothing has.
func (s *replaySelection) check(providers []provider.Provider) error {
	var kinds []string
	for _, p := range providers {
		for _, kind := range p.Kinds {
			kinds = append(kinds, kind.Name)
		}
	}
	for _, name := range s.Provider {
		if _, err := findProvider(providers, name); err != nil {
			return err
		}
	}
	for _, name := range s.Kind {
		if !slices.Contains(kinds, name) {
			return fmt.Errorf("--kind: %q is unknown; known are %s", name, strings.Join(kinds, ", "))
		}
	}
	return nil
}

// pseudonymous returns a reference to a person in the form that events have: as it is, or as its hash.
func (o *operator) pseudonymous(reference string) (string, error) {
	var failed error
	hashed := verification.Pseudonymous(reference, func(text string) string {
		keys, err := o.cfg.openKeys()
		if err == nil && keys == nil {
			err = errors.New("events have only a hash of this reference, which needs the master key: set it, or ask with the hash, h_ and 32 digits, as events show it")
		}
		if failed = err; failed != nil {
			return ""
		}
		return keys.Pseudonym(text)
	})
	return hashed, failed
}

// openReplay connects an operator who replays.
func openReplay(flags *settingFlags, providers []provider.Provider) (ctx context.Context, o *operator, d *replay.Desk, stop func(), err error) {
	if ctx, o, stop, err = attend(flags, providers); err != nil {
		return nil, nil, nil, nil, err
	}
	return ctx, o, &replay.Desk{Bus: o.bus, Via: replay.ViaCLI, Actor: o.actor, Holder: o.holder}, stop, nil
}

// replayNext says what to do about an error.
func replayNext(err error) error {
	switch {
	case errors.Is(err, runs.ErrUnknown):
		return fmt.Errorf("%w; `verdict replay list` shows what there is", err)
	case errors.Is(err, runs.ErrExists):
		return fmt.Errorf("%w: `verdict replay status|resume|cancel|forget NAME`", err)
	default:
		return err
	}
}

// replayDir is where the files are that are asked for over the API.
func (c *Config) replayDir() string { return filepath.Join(c.DataDir, "replays") }
