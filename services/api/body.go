package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
)

// maxBody bounds what a caller may send.
const maxBody = 64 << 10

// invalidBody is the problem of a body that is not what its path takes; why is a part of a sentence.
func invalidBody(why string) *problem {
	return newProblem(http.StatusBadRequest, CauseInvalidBody, "Invalid body", "The body "+why+".")
}

// readBody reads the JSON of a request that takes no parameters. It must be called so: no page of a stranger can have a browser send that
// type, and what is misspelt must not be left out in silence.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	if err := newQuery(r).done(); err != nil {
		return err
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return invalidBody("must be JSON, with the header Content-Type: application/json")
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return invalidBody("is empty; an object without members is {}")
		}
		return invalidBody("is not understood: " + strconv.QuoteToASCII(shorten(err.Error())))
	}
	if decoder.More() {
		return invalidBody("goes on behind its object")
	}
	return nil
}

// respondOnce writes an answer that nobody may keep.
func respondOnce(w http.ResponseWriter, r *http.Request, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", noStore)
	w.Header().Set("Content-Type", "application/json")
	send(w, r, append(body, '\n'))
	return nil
}
