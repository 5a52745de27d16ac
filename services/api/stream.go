package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// streamEvent is the data of one server-sent event.
type streamEvent struct {
	event.Verification
	Sequence uint64 `json:"sequence"`
}

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
		Provider: q.word("provider"), Kind: q.word("kind"),
		Scope:     oneOf(q, "scope", verification.Case, verification.Step),
		Status:    oneOf(q, "status", verification.Statuses...),
		Published: oneOf(q, "event", verification.EventStatuses()...),
		Applicant: q.value("applicant"), ExternalReference: q.value("external_reference"),
		Final: q.boolean("final"), Overdue: q.boolean("overdue"), Sandbox: q.sandbox(),
	}
	after := q.position("after")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		after = q.parsePosition("Last-Event-ID", last)
	}
	if err := q.done(); err != nil {
		return err
	}
	select {
	case a.streams <- struct{}{}:
		defer func() { <-a.streams }()
	default:
		return errTooManyStreams
	}
	if after == nil {
		now, err := a.asOf(r.Context(), filter.Sandbox)
		if err != nil {
			return err
		}
		after = &now
	}
	frames := newFrames(w, a.pace.patience)
	if r.Method == http.MethodHead || frames.begin(*after) != nil {
		return nil
	}
	a.follow(r, frames, filter, *after)
	return nil
}

// follow sends what the filter chooses after a position, until the caller goes, does not keep up, or the service stops.
func (a *api) follow(r *http.Request, frames *frames, filter store.EventFilter, after uint64) {
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
		case frames.events(page.Rows) != nil:
			return
		case page.Through > after:
			after, again = page.Through, atOnce // There may be more already.
		}
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

// asOf reads how far the tables are, in no more time than any other answer may take.
func (a *api) asOf(ctx context.Context, sandbox bool) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return a.model.AsOf(ctx, sandbox)
}

// position returns a parameter that is a position in a stream, nil where it is not there.
func (q *query) position(name string) *uint64 {
	value := q.value(name)
	if value == "" {
		return nil
	}
	return q.parsePosition(name, value)
}

func (q *query) parsePosition(name, value string) *uint64 {
	// The databases count to the largest signed number.
	at, err := strconv.ParseInt(value, 10, 64)
	if err != nil || at < 0 {
		q.invalid(name, "must be a position in the stream: the id of an event, or 0 for the beginning")
		return nil
	}
	return new(uint64(at))
}
