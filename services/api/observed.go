package api

import (
	"context"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// serverName stands in spans and metrics for the address that the caller used, which he can choose.
const serverName = "verdict-api"

// observed makes a span and the request metrics for what next answers. They show the route's pattern in place of the path and nothing of
// the query, since both may hold references to persons.
func observed(pattern string, next http.Handler) http.Handler {
	inner := otelhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := r.Context().Value(askedKey{}).(*http.Request)
		next.ServeHTTP(w, asked.WithContext(r.Context()))
	}), pattern, otelhttp.WithServerName(serverName))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := r.WithContext(context.WithValue(r.Context(), askedKey{}, r))
		shown.URL = &url.URL{Path: pattern}
		inner.ServeHTTP(w, shown)
	})
}

// askedKey is the key of the request as it came.
type askedKey struct{}
