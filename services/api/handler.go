package api

import (
	"context"
	"log/slog"
	"net/http"
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
}

// endpoint answers one request, or returns why it cannot; nothing has been written then.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// newHandler wires every path:
//
//	headers ──▶ mux ──▶ trace and metrics by route ──▶ method ──▶ token ──▶ endpoint ──▶ answer or problem
func newHandler(config Config) http.Handler {
	a := &api{
		model: config.Model, keys: config.Keys, logger: config.Logger,
		auth: newAuthority(config.AdminToken, config.Dev), trouble: telemetry.Every(config.Logger, logInterval),
	}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]endpoint{
		"/v1/verifications": a.verifications,
		"/v1/verifications/{provider}/{kind}/{reference}":        a.verification,
		"/v1/verifications/{provider}/{kind}/{reference}/events": a.events,
		"/v1/verifications/{provider}/{kind}/{reference}/claims": a.claims,
		"/v1/deliveries": a.deliveries,
		"/v1/stats":      a.stats,
		// A path that does not exist is told only to those who may know what exists.
		"/v1/": a.unknownPath,
	} {
		mux.Handle(pattern, observed(pattern, a.serve(a.private(answer))))
	}
	for pattern, answer := range map[string]endpoint{
		"/livez":  a.livez,
		"/readyz": a.readyz,
		"/":       a.unknownPath,
	} {
		mux.Handle(pattern, a.serve(answer))
	}
	if config.Metrics != nil {
		mux.Handle("GET /metrics", config.Metrics)
	}
	return withHeaders(mux)
}

// serve turns an endpoint into a handler for reading requests.
func (a *api) serve(answer endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			a.refuse(w, r, errMethod)
			return
		}
		if err := answer(w, r); err != nil {
			a.refuse(w, r, err)
		}
	})
}

// private asks for the token first.
func (a *api) private(answer endpoint) endpoint {
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
