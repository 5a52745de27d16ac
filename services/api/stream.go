package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// pace is how often a stream does what.
type pace struct {
	poll      time.Duration // between two looks at the tables
	heartbeat time.Duration // between two signs of life
	patience  time.Duration // for a caller to take what is sent
}

// livePace suits the projector, which says once a second how far the tables are, and proxies, which cut a silent connection after half a
// minute or more.
var livePace = pace{poll: 250 * time.Millisecond, heartbeat: 15 * time.Second, patience: 10 * time.Second}

const (
	// maxStreams bounds what all who follow can ask of the database together.
	maxStreams = 128
	// streamChunk is how many events are looked at in one go: all that a stream holds in memory.
	streamChunk = 100
	// streamRetry is how long a caller should wait before he connects again.
	streamRetry = 2 * time.Second
)

// stream sends events as they come, in the order of the stream, until the caller goes or the service stops. Only what AsOf covers is sent,
// so that every event is sent whose sequence is greater than the one to begin after.
func (a *api) stream(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := store.EventFilter{
		Provider: q.text("provider"), Kind: q.text("kind"),
		Scope: verification.Scope(q.text("scope")), Status: verification.Status(q.text("status")), Published: q.text("event"),
		Applicant: q.reference("applicant", a.keys), ExternalReference: q.reference("external_reference", a.keys),
		Final: q.boolean("final"), Overdue: q.boolean("overdue"), Sandbox: q.sandbox(),
	}
	identity, after := q.text("stream"), q.after(r)
	if err := q.done(); err != nil {
		return err
	}
	select {
	case a.streams <- struct{}{}:
		defer func() { <-a.streams }()
	default:
		return errTooManyStreams
	}
	now, err := a.followed(r.Context(), filter.Sandbox)
	if err != nil {
		return err
	}
	if after == nil {
		after = &now.Sequence
	}
	if err := resumable(now, identity, *after); err != nil {
		return err
	}
	if now.Identity != "" {
		w.Header().Set(streamHeader, now.Identity)
	}
	frames := newFrames(w, a.pace.patience)
	if r.Method == http.MethodHead || frames.begin(*after) != nil {
		return nil
	}
	a.follow(r, frames, filter, now.Identity, *after)
	return nil
}

// streamHeader tells which stream it is whose positions an answer goes by: one that was made anew has another identity.
const streamHeader = "Verdict-Stream"

// resumable returns why nobody can go on after a position, if so: it is of another stream than the one that the tables hold now, and to
// wait until that one comes to it would be to miss events.
func resumable(now store.Progress, identity string, after uint64) error {
	switch {
	case now.Stream == "" && (identity != "" || after > 0):
		return errNothingYet
	case identity != "" && identity != now.Identity, after > now.Sequence+now.Pending:
		return errPosition
	default:
		return nil
	}
}

// follow sends what the filter chooses after a position, until the caller goes, does not keep up, the stream is made anew, or the service
// stops.
func (a *api) follow(r *http.Request, frames *frames, filter store.EventFilter, identity string, after uint64) {
	poll, heartbeat := time.NewTicker(a.pace.poll), time.NewTicker(a.pace.heartbeat)
	defer poll.Stop()
	defer heartbeat.Stop()
	atOnce := make(chan time.Time)
	close(atOnce)
	for {
		page, err := a.timeline(r.Context(), filter, after)
		again := poll.C
		switch {
		case r.Context().Err() != nil:
			return
		case err != nil:
			// The caller keeps his place until the database is back; heartbeats tell him that this service lives.
			a.trouble.ErrorContext(r.Context(), "stream waits", "route", r.Pattern, "error", err)
		case page.Identity != identity && identity != "":
			return
		case frames.events(page.Rows) != nil:
			return
		case page.Through > after:
			after, again = page.Through, atOnce // There may be more already.
		}
		identity = cmp.Or(identity, page.Identity)
		select {
		case <-again:
		case <-heartbeat.C:
			if frames.heartbeat(after) != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-a.stopping:
			return
		}
	}
}

// timeline reads the next events, in no more time than any other answer may take.
func (a *api) timeline(ctx context.Context, filter store.EventFilter, after uint64) (store.EventPage, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return a.model.Timeline(ctx, filter, after, streamChunk)
}

// followed reads how far the tables are, in no more time than any other answer may take.
func (a *api) followed(ctx context.Context, sandbox bool) (store.Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return a.model.Followed(ctx, sandbox)
}
