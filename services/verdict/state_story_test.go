package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider/all"
)

// state is the current state of a verification without what tells the order in which things
// were learnt, and without times, which are those of the receipt for some providers.
type state struct {
	ID          string   `json:"id"`
	Applicant   *string  `json:"applicant"`
	Status      string   `json:"status"`
	Final       bool     `json:"final"`
	DecidedBy   *string  `json:"decided_by"`
	Preliminary *string  `json:"preliminary"`
	Attempt     int      `json:"attempt"`
	Anomalies   []string `json:"anomalies"`
	Reasons     []struct{ Code, Category, Source string }
	Supersedes  *struct{ Status, Signal string }
	Decision    *struct {
		Status  string
		Attempt int
	}
	Anonymized bool `json:"data_anonymized"`
	Sandbox    bool `json:"sandbox"`
}

// states are the current states of all verifications, by id.
func (in *installation) states() (map[string]state, error) {
	states := map[string]state{}
	for _, sandbox := range []bool{false, true} {
		rows, err := pages[state](in, "/v1/verifications?limit=500&sandbox="+strconv.FormatBool(sandbox))
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			slices.Sort(r.Anomalies)
			states[strconv.FormatBool(sandbox)+" "+r.ID] = r
		}
	}
	return states, nil
}

// undisturbed are the states to which everything comes where nothing happens to it.
func undisturbed(t *testing.T) map[string]state {
	t.Helper()
	undisturbedOnce.Do(func() {
		in := startInstallation(t, allInOne)
		must(t, in.start())
		must(t, in.deliverAll(everything(t)))
		must(t, in.account())
		states, err := in.states()
		must(t, err)
		must(t, in.stop())
		undisturbedStates = states
	})
	if len(undisturbedStates) == 0 {
		t.Fatal("there are no states to compare with")
	}
	return undisturbedStates
}

var (
	undisturbedOnce   sync.Once
	undisturbedStates map[string]state
)

// everything is one webhook for every sample of every provider.
func everything(t *testing.T) []webhook {
	t.Helper()
	var list []webhook
	for _, p := range all.Providers() {
		files, err := filepath.Glob(samplePath(p.Name, "*"))
		must(t, err)
		for _, file := range files {
			w, err := newWebhook(p.Name, strings.TrimSuffix(filepath.Base(file), ".json"))
			must(t, err)
			list = append(list, w)
		}
	}
	if len(list) == 0 {
		t.Fatal("there are no samples")
	}
	return list
}

// deliverAll delivers webhooks one after the other.
func (in *installation) deliverAll(list []webhook) error {
	for _, w := range list {
		if err := in.deliver(w); err != nil {
			return err
		}
	}
	return nil
}
