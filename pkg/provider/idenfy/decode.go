package idenfy

import (
	"slices"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// decoderVersion is raised when a body comes to another signal than before.
const decoderVersion = 2

// decode reads the one verification that a callback tells of. It returns
// provider.ErrUnhandled for the body of another subscription and a provider.DecodeError for a
// body that is no JSON object or has no scanRef.
func decode(d provider.Delivery) (provider.Decoded, error) {
	callback, err := provider.ParseObject(d.Body)
	if err != nil {
		return provider.Decoded{}, err
	}
	rank := slices.IndexFunc(precedence, func(event string) bool { return provider.Token(event) == d.Event })
	if rank < 0 || !tellsOfVerification(callback) {
		return provider.Decoded{}, provider.ErrUnhandled
	}
	reference := callback.Text("scanRef")
	if reference == "" {
		return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseMissingReference, Detail: "callback has no scanRef"}
	}
	if _, ok := callback["status"].(map[string]any); !ok {
		return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseMissingField, Detail: "callback has no status"}
	}
	r := read(precedence[rank], callback)
	if r.contradicted {
		rank += len(precedence)
	}
	return provider.Decoded{Elements: []provider.Element{{
		Kind:      idVerification.Name,
		Reference: reference,
		Signal:    signal(d, rank, callback, r),
		Claims:    claims(callback.Object("data")),
		Unknown:   r.unknown,
	}}}, nil
}

func signal(d provider.Delivery, rank int, callback provider.Object, r reading) verification.Signal {
	s := verification.Signal{
		ID:                provider.SignalID(d.Body, 0),
		Event:             d.Event,
		Says:              r.says,
		Preliminary:       r.preliminary,
		Rank:              rank,
		Reasons:           r.reasons,
		Applicant:         callback.Text("clientId"),
		ExternalReference: callback.Text("externalRef"),
		Anomalies:         r.anomalies,
		Attempt:           &verification.AttemptKey{},
		Decoder:           decoderVersion,
	}
	if start, ok := callback.Seconds("startTime"); ok {
		s.At, s.Attempt.Start = start, new(start.Unix())
	}
	if finish, ok := callback.Seconds("finishTime"); ok {
		s.At, s.Attempt.Finish = finish, new(finish.Unix())
	}
	return s
}
