package api

import (
	"encoding/json"
	"net/http"
)

// answer is the form of every answer that is not a problem.
type answer struct {
	Data any `json:"data"`
	Meta any `json:"meta"`
}

// pageMeta says how to read a page of verifications. Deliveries have no as_of_sequence: theirs are positions in several streams.
type pageMeta struct {
	// NextCursor is where the next page begins, null at the end.
	NextCursor   *string `json:"next_cursor"`
	AsOfSequence *uint64 `json:"as_of_sequence,omitempty"`
}

// asOf says how to read what is not a list: AsOfSequence is the position in the stream of events up to which every event is in the
// answer; later ones may be.
type asOf struct {
	AsOfSequence uint64 `json:"as_of_sequence"`
}

// respond writes an answer.
func respond(w http.ResponseWriter, data, meta any) error {
	body, err := json.Marshal(answer{Data: data, Meta: meta})
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "no-cache")
	}
	// A caller who has gone needs no answer.
	_, _ = w.Write(append(body, '\n'))
	return nil
}

// convert returns the elements in their other form; never nil.
func convert[A, B any](list []A, one func(A) B) []B {
	converted := make([]B, len(list))
	for i, element := range list {
		converted[i] = one(element)
	}
	return converted
}

// orNull returns what is null in an answer where nothing is known.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
