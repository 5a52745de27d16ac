package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/replay"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// answerTimeout bounds the work on one answer; it is below writeTimeout, so that a caller is told.
const answerTimeout = 10 * time.Second

type api struct {
	model *store.ReadModel
	keys  *seal.Keyring
	bus   *bus.Bus
	held  held.Desk
	// replayDir is where the files of replays are; providers are the names that a filter may have.
	replayDir string
	providers []string
	auth      authority
	logger    *slog.Logger
	// trouble writes no line about the same trouble twice within logInterval; who read claims is no trouble.
	trouble *slog.Logger
	// streams has one element for each caller who follows the events; stopping ends them all.
	streams  chan struct{}
	stopping <-chan struct{}
	pace     pace
}

// newHeldDesk is where somebody decides about held deliveries.
func newHeldDesk(c Config) held.Desk {
	return held.Desk{Bus: c.Bus, Keys: c.Keys, Providers: c.Providers, Retention: c.Retention}
}

// endpoint answers one request, or returns why it cannot; nothing has been written then.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// newHandler wires every path:
//
//	headers ──▶ mux ──▶ trace and metrics by route ──▶ method ──▶ token ──▶ endpoint ──▶ answer or problem
//
// The end of stopping ends the answers that would never end by themselves.
func newHandler(config Config, stopping <-chan struct{}) http.Handler {
	a := &api{
		model: config.Model, keys: config.Keys, bus: config.Bus, logger: config.Logger,
		held:      newHeldDesk(config),
		replayDir: config.ReplayDir, providers: convert(config.Providers, func(p provider.Provider) string { return p.Name }),
		auth: newAuthority(config.AdminToken, config.Dev), trouble: telemetry.Every(config.Logger, logInterval),
		streams: make(chan struct{}, maxStreams), stopping: stopping, pace: cmp.Or(config.pace, livePace),
	}
	mux := http.NewServeMux()
	changing := a.changing()
	for pattern, answer := range a.private() {
		mux.Handle(pattern, observed(pattern, a.serve(a.admitted(answer), a.admitted(changing[pattern]))))
		delete(changing, pattern)
	}
	for pattern, change := range changing {
		mux.Handle(pattern, observed(pattern, a.serve(nil, a.admitted(change))))
	}
	for pattern, answer := range a.open() {
		mux.Handle(pattern, a.serve(answer, nil))
	}
	if config.Metrics != nil {
		mux.Handle("GET /metrics", config.Metrics)
	}
	return withHeaders(straight(mux, observed("/v1/", a.serve(a.admitted(a.unknownPath), nil)), a.serve(a.unknownPath, nil)))
}

// straight answers itself what next would answer by a redirection to another path: there is nothing under a path that leads over others, and
// what is below /v1 is told nobody without the token.
func straight(next, below, elsewhere http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.EscapedPath()
		cleaned := path.Clean("/" + asked)
		if asked == cleaned || asked == strings.TrimSuffix(cleaned, "/")+"/" {
			next.ServeHTTP(w, r)
			return
		}
		for _, name := range []string{asked, cleaned} {
			if name == "/v1" || strings.HasPrefix(name, "/v1/") {
				below.ServeHTTP(w, r)
				return
			}
		}
		elsewhere.ServeHTTP(w, r)
	})
}

// private are the paths that are read and ask for the token.
func (a *api) private() map[string]endpoint {
	return map[string]endpoint{
		"/v1/verifications": timed(a.verifications),
		"/v1/verifications/{provider}/{kind}/{reference}":        timed(a.verification),
		"/v1/verifications/{provider}/{kind}/{reference}/events": timed(a.events),
		"/v1/verifications/{provider}/{kind}/{reference}/claims": timed(a.claims),
		"/v1/applicants/{provider}/{applicant}":                  timed(a.applicant),
		"/v1/stream":                                             a.stream,
		"/v1/deliveries":                                         timed(a.deliveries),
		"/v1/stats":                                              timed(a.stats),
		"/v1/dead":                                               timed(a.deadLetters),
		"/v1/dead/{letter}":                                      timed(a.deadLetter),
		"/v1/dead/runs":                                          timed(a.listRuns(repairVerb)),
		"/v1/held":                                               timed(a.heldList),
		"/v1/held/{held}":                                        timed(a.heldOne),
		"/v1/held/runs":                                          timed(a.listRuns(heldVerb)),
		"/v1/replays":                                            timed(a.listReplays),
		"/v1/replays/{replay}":                                   timed(a.getReplay),
		// A path that does not exist is told only to those who may know what exists.
		"/v1": a.unknownPath, "/v1/": a.unknownPath,
	}
}

// changing are the paths that change something, and ask for the token too.
func (a *api) changing() map[string]endpoint {
	return map[string]endpoint{
		"/v1/dead/redrive":           timed(a.redrive),
		"/v1/dead/discard":           timed(a.discard),
		"/v1/dead/runs/{run}/cancel": timed(a.cancelRun(repairVerb)),
		"/v1/held/release":           timed(a.releaseSelection),
		"/v1/held/discard":           timed(a.discardSelection),
		"/v1/held/runs/{run}/cancel": timed(a.cancelRun(heldVerb)),
		"/v1/held/{held}/release":    timed(a.releaseHeld),
		"/v1/held/{held}/discard":    timed(a.discardHeld),
		// Counting what a replay sends may take longer than other answers.
		"/v1/replays":                 a.beginReplay,
		"/v1/replays/{replay}/pause":  timed(a.askReplay((*replay.Desk).Pause)),
		"/v1/replays/{replay}/resume": timed(a.askReplay((*replay.Desk).Resume)),
		"/v1/replays/{replay}/cancel": timed(a.askReplay((*replay.Desk).Cancel)),
		"/v1/replays/{replay}/forget": timed(a.askReplay(forgetReplay)),
	}
}

// open are the paths that do not ask for it.
func (a *api) open() map[string]endpoint {
	return map[string]endpoint{
		"/livez":  a.livez,
		"/readyz": timed(a.readyz),
		"/":       a.unknownPath,
	}
}

// timed bounds the work on an answer.
func timed(answer endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
		defer cancel()
		return answer(w, r.WithContext(ctx))
	}
}

// serve turns what a path is read with and what it is changed with into a handler; either may be nil.
func (a *api) serve(read, change endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := change
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			answer = read
		} else if r.Method != http.MethodPost {
			answer = nil
		}
		if answer == nil {
			a.refuse(w, r, wrongMethod(read != nil, change != nil))
			return
		}
		if err := answer(w, r); err != nil {
			a.refuse(w, r, err)
		}
	})
}

// admitted asks for the token first.
func (a *api) admitted(answer endpoint) endpoint {
	if answer == nil {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if !a.auth.admits(r) {
			return errUnauthorized
		}
		return answer(w, r)
	}
}

func (a *api) unknownPath(http.ResponseWriter, *http.Request) error { return errNoSuchPath }

// withHeaders sets what browsers must know of every answer.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
