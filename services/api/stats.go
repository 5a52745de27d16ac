package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
)

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
	return respond(w, r, StatsAnswer{Data: newStats(found, time.Now()), Meta: AsOf{through}})
}

// timeless returns the numbers without what changes by the clock alone.
func (s Stats) timeless() Stats {
	s.Streams, s.OldestNotFinal = slices.Clone(s.Streams), slices.Clone(s.OldestNotFinal)
	for i := range s.Streams {
		s.Streams[i].At = time.Time{}
	}
	for i := range s.OldestNotFinal {
		s.OldestNotFinal[i].AgeSeconds = 0
	}
	return s
}

func newStats(found store.Stats, now time.Time) Stats {
	return Stats{
		Verifications: convert(found.Verifications, func(c store.VerificationCount) VerificationCount { return VerificationCount(c) }),
		Deliveries:    convert(found.Deliveries, func(c store.DeliveryCount) DeliveryCount { return DeliveryCount(c) }),
		Streams: convert(found.Progress, func(p store.Progress) StreamProgress {
			return StreamProgress{Stream: p.Stream, AsOfSequence: p.Sequence, Lag: int(p.Pending), At: p.At.UTC()}
		}),
		OldestNotFinal: convert(found.Open, func(o store.OpenSince) OpenSince {
			return OpenSince{Provider: o.Provider, Since: o.Since.UTC(), AgeSeconds: int(max(0, now.Sub(o.Since)).Seconds())}
		}),
		UnknownValues: convert(found.Unknown, func(c store.UnknownCount) UnknownCount { return UnknownCount(c) }),
	}
}
