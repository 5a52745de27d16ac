package receiver

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
)

const (
	problemBase = "https://schemas.verdict.example/problems/"
	// retryAfter is what a sender is asked to wait after a 503. Most providers have a schedule
	// of their own.
	retryAfter = 5 * time.Second
)

// causes says what a refused sender is told. The status for a signature is the provider's.
var causes = map[event.Cause]struct {
	status        int
	title, detail string
}{
	event.CauseMissingSignature: {
		http.StatusUnauthorized, "Signature is missing",
		"Sign the webhook as the provider documents it, with a secret that is configured here.",
	},
	event.CauseBadSignature: {
		http.StatusUnauthorized, "Signature does not match",
		"Check that the secret configured here is the one of the subscription, and that nothing on the way changes the body.",
	},
	event.CauseTooLarge: {
		http.StatusRequestEntityTooLarge, "Body is too large",
		"Webhooks of more than 2 MiB, or of less where the broker takes less, are not taken.",
	},
	event.CauseUnknownProvider: {
		http.StatusNotFound, "Provider is unknown",
		"Post to /webhooks/{provider}, with the name of a provider whose secret is configured and with its URL token if one is set.",
	},
	event.CauseMethodNotAllowed: {
		http.StatusMethodNotAllowed, "Method is not allowed",
		"Webhooks are posted; health is read.",
	},
	event.CauseUnavailable: {
		http.StatusServiceUnavailable, "Webhook could not be stored",
		"Send the same webhook again later; it is recognised if it was stored after all.",
	},
	event.CauseUnreadable: {
		http.StatusBadRequest, "Body could not be read",
		"Send as many bytes as the request announces.",
	},
}

// answer writes the outcome of a webhook.
func (o *outcome) answer(w http.ResponseWriter) {
	if o.hangUp {
		w.Header().Set("Connection", "close")
	}
	if o.cause != "" {
		problem(w, o.cause, o.status, http.MethodPost)
		return
	}
	writeJSON(w, "application/json", o.status, struct {
		ID     string `json:"id"`
		Status result `json:"status"`
	}{o.id, o.result})
}

// problem writes a refusal as RFC 9457 says. Its instance is left out: the path may hold a token.
func problem(w http.ResponseWriter, cause event.Cause, status int, allow string) {
	switch status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", allow)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	about := causes[cause]
	writeJSON(w, "application/problem+json", status, event.Problem{
		Type: problemBase + string(cause), Title: about.title, Status: status, Detail: about.detail, Cause: cause,
	})
}

// writeJSON writes an answer. That the reader may be gone is nothing anybody could act on.
func writeJSON(w http.ResponseWriter, contentType string, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
