package api

import (
	"net/http"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// stats is the read model in numbers. They are not all of one moment.
type stats struct {
	Verifications []verificationCount `json:"verifications"`
	Deliveries    []deliveryCount     `json:"deliveries"`
	Streams       []streamProgress    `json:"streams"`
	OldestOpen    []openSince         `json:"oldest_not_final"`
	UnknownValues []unknownCount      `json:"unknown_values"`
}

// verificationCount is how many verifications have a status.
type verificationCount struct {
	Provider string              `json:"provider"`
	Kind     string              `json:"kind"`
	Status   verification.Status `json:"status"`
	Sandbox  bool                `json:"sandbox"`
	Count    int                 `json:"count"`
}

// deliveryCount is how many deliveries have an outcome; `pending` is none yet.
type deliveryCount struct {
	Provider string `json:"provider"`
	Outcome  string `json:"outcome"`
	Count    int    `json:"count"`
}

// streamProgress is how far the read model is behind a stream.
type streamProgress struct {
	Stream       string    `json:"stream"`
	AsOfSequence uint64    `json:"as_of_sequence"`
	Lag          uint64    `json:"lag"` // events of the stream that are not in the read model yet
	At           time.Time `json:"at"`  // when that was so
}

// openSince tells how long the oldest verification of a provider that is not final has been so.
type openSince struct {
	Provider   string    `json:"provider"`
	Since      time.Time `json:"since"`
	AgeSeconds int64     `json:"age_seconds"`
}

// unknownCount is how many signals had a value in a field that nobody here knows.
type unknownCount struct {
	Provider string `json:"provider"`
	Field    string `json:"field"`
	Count    int    `json:"count"`
}

// stats answers with the numbers.
func (a *api) stats(w http.ResponseWriter, r *http.Request) error {
	if err := newQuery(r).done(); err != nil {
		return err
	}
	through, err := a.model.AsOf(r.Context(), false)
	if err != nil {
		return err
	}
	found, err := a.model.Stats(r.Context())
	if err != nil {
		return err
	}
	return respond(w, r, answer{Data: newStats(found, time.Now()), Meta: asOf{through}})
}

func newStats(found store.Stats, now time.Time) stats {
	return stats{
		Verifications: convert(found.Verifications, func(c store.VerificationCount) verificationCount { return verificationCount(c) }),
		Deliveries:    convert(found.Deliveries, func(c store.DeliveryCount) deliveryCount { return deliveryCount(c) }),
		Streams: convert(found.Progress, func(p store.Progress) streamProgress {
			return streamProgress{Stream: p.Stream, AsOfSequence: p.Sequence, Lag: p.Pending, At: p.At.UTC()}
		}),
		OldestOpen: convert(found.Open, func(o store.OpenSince) openSince {
			return openSince{Provider: o.Provider, Since: o.Since.UTC(), AgeSeconds: int64(max(0, now.Sub(o.Since)).Seconds())}
		}),
		UnknownValues: convert(found.Unknown, func(c store.UnknownCount) unknownCount { return unknownCount(c) }),
	}
}
