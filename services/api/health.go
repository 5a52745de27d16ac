package api

import (
	"encoding/json"
	"net/http"
)

// livez answers as long as the process does.
func (a *api) livez(w http.ResponseWriter, _ *http.Request) error {
	return healthy(w)
}

// readyz answers where the read model does.
func (a *api) readyz(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.model.AsOf(r.Context(), false); err != nil {
		return err
	}
	return healthy(w)
}

func healthy(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", noStore)
	// A caller who has gone needs no answer.
	_ = json.NewEncoder(w).Encode(Health{Status: "ok"})
	return nil
}
