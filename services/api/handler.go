package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// answerTimeout bounds the work on one answer; it is below writeTimeout, so that a caller is told.
const answerTimeout = 10 * time.Second

type api struct {
	model  *store.ReadModel
	keys   *seal.Keyring
	auth   authority
	logger *slog.Logger
	// trouble writes no line about the same trouble twice within logInterval; who read claims is no trouble.
	trouble *slog.Logger
	// streams has one element for each caller who follows the events; stopping ends them all.
	streams  chan struct{}
	stopping <-chan struct{}
	pace     pace
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
		model: config.Model, keys: config.Keys, logger: config.Logger,
		auth: newAuthority(config.AdminToken, config.Dev), trouble: telemetry.Every(config.Logger, logInterval),
		streams: make(chan struct{}, maxStreams), stopping: stopping, pace: cmp.Or(config.pace, livePace),
	}
	mux := http.NewServeMux()
	for pattern, answer := range a.private() {
		mux.Handle(pattern, observed(pattern, a.serve(a.admitted(answer))))
	}
	for pattern, answer := range a.open() {
		mux.Handle(pattern, a.serve(answer))
	}
	if config.Metrics != nil {
		mux.Handle("GET /metrics", config.Metrics)
	}
	return withHeaders(straight(mux, observed("/v1/", a.serve(a.admitted(a.unknownPath))), a.serve(a.unknownPath)))
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

// private are the paths that ask for the token.
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
		// A path that does not exist is told only to those who may know what exists.
		"/v1": a.unknownPath, "/v1/": a.unknownPath,
	}
}

// open are the paths that do not.
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

// serve turns an endpoint into a handler for reading requests.
func (a *api) serve(answer endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			a.refuse(w, r, errMethod)
			return
		}
		if err := answer(w, r); err != nil {
			a.refuse(w, r, err)
		}
	})
}

// admitted asks for the token first.
func (a *api) admitted(answer endpoint) endpoint {
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
