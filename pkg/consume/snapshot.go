package consume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
)

// API is where current states are asked for.
type API struct {
	// URL is the address, as in http://127.0.0.1:8081.
	URL string
	// Token is sent as a bearer token; empty is none, as in development mode.
	Token string
	// Client is nil for http.DefaultClient.
	Client *http.Client
}

const (
	// pageSize is the most that the API gives at a time.
	pageSize = 500
	// maxPage bounds an answer.
	maxPage = 64 << 20
	// maxProblem bounds what an error repeats of a refusal.
	maxProblem = 512
)

// state is one verification as the API tells it.
type state struct {
	event.Verification
	Sequence  uint64    `json:"sequence"`
	UpdatedAt time.Time `json:"updated_at"`
	Sandbox   bool      `json:"sandbox"`
}

type page struct {
	Data []state `json:"data"`
	Meta struct {
		NextCursor   *string `json:"next_cursor"`
		AsOfSequence uint64  `json:"as_of_sequence"`
	} `json:"meta"`
}

// snapshot has every state handled, and returns the position up to which all events are in them: at least the given one, for which it waits.
func (r *run) snapshot(ctx context.Context, atLeast uint64) (through uint64, err error) {
	for cursor := ""; ; {
		var p page
		err := r.patiently(ctx, "the API", func(ctx context.Context) error {
			if p, err = r.page(ctx, cursor); err != nil {
				return err
			}
			if p.Meta.NextCursor == nil && p.Meta.AsOfSequence < atLeast {
				return fmt.Errorf("%w: its tables are at %d, and must come to %d", errAway, p.Meta.AsOfSequence, atLeast)
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("snapshot: %w", err)
		}
		for _, s := range p.Data {
			if err := r.tell(ctx, s, p.Meta.AsOfSequence); err != nil {
				return 0, err
			}
		}
		if p.Meta.NextCursor == nil {
			r.known.through = p.Meta.AsOfSequence
			return r.known.through, r.drained(ctx)
		}
		cursor = *p.Meta.NextCursor
	}
}

// tell hands one state over as soon as there is room.
func (r *run) tell(ctx context.Context, s state, asOf uint64) error {
	e := Event{
		Verification: s.Verification, Stream: r.config.stream, Sequence: s.Sequence, StoredAt: s.UpdatedAt, Sandbox: s.Sandbox, Snapshot: true,
	}
	if !r.config.Filter.matchesState(&e) || r.known.told(&e) {
		return nil
	}
	if e.Sequence > asOf {
		r.known.remember(&e)
	}
	for r.lanes.room() <= 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.lanes.freed:
		}
	}
	r.lanes.takeState(&held{key: e.ID, event: e})
	return nil
}

// drained waits until every state is handled or given up.
func (r *run) drained(ctx context.Context) error {
	for r.lanes.waits() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.lanes.freed:
		case <-time.After(logInterval):
			r.config.Logger.Warn("the events begin when the last states of the snapshot are handled", "consumer", r.config.Name, "states", r.lanes.waits())
		}
	}
	return nil
}

// page asks for one page of states.
func (r *run) page(ctx context.Context, cursor string) (p page, err error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "sandbox": {strconv.FormatBool(r.config.Sandbox)}}
	// The API takes one value each; everything else is compared here.
	f := r.config.Filter
	for name, list := range map[string][]string{"provider": f.Providers, "kind": f.Kinds} {
		if len(list) == 1 {
			query.Set(name, list[0])
		}
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	response, err := r.ask(ctx, "/v1/verifications?"+query.Encode())
	if err != nil {
		return p, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return p, refusal(response)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxPage)).Decode(&p); err != nil {
		return p, fmt.Errorf("%w: read a page: %w", errAway, err)
	}
	return p, nil
}

// ask sends one request to the API.
func (r *run) ask(ctx context.Context, path string) (*http.Response, error) {
	api := r.config.Start.api
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(api.URL, "/")+path, http.NoBody)
	if err != nil {
		return nil, errors.New("the URL of the API cannot be used") // The parser's error may repeat a password.
	}
	if api.Token != "" {
		request.Header.Set("Authorization", "Bearer "+api.Token)
	}
	client := api.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	return response, nil
}

// refusal is the error of an answer that is none.
func refusal(response *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxProblem)) // The status tells enough.
	err := fmt.Errorf("the API answered with %s: %s", response.Status, strings.TrimSpace(string(text)))
	if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	return err
}

// sameStream checks that the API's tables are of the stream that is read: else what is missing between the two could not be seen.
func (r *run) sameStream(ctx context.Context, created time.Time, through uint64) error {
	query := url.Values{
		"after": {strconv.FormatUint(through, 10)}, "sandbox": {strconv.FormatBool(r.config.Sandbox)},
		"stream": {created.UTC().Format(time.RFC3339Nano)},
	}
	if through == 0 {
		return nil // The tables may know of no stream yet.
	}
	return r.patiently(ctx, "the API", func(ctx context.Context) error {
		response, err := r.ask(ctx, "/v1/stream?"+query.Encode())
		if err != nil {
			return err
		}
		defer response.Body.Close()
		switch response.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusConflict:
			return fmt.Errorf("%w: the API tells of another %s than the one of the broker; give both of one Verdict, or wait until its projector has noticed",
				ErrAnew, r.config.stream)
		}
		return refusal(response)
	})
}

// known is what a snapshot has told already: everything up to through, and of what lies beyond it the versions.
type known struct {
	through  uint64
	versions *Memory
}

// maxKnown bounds the versions. What is forgotten may come twice.
const maxKnown = 1 << 16

func (k *known) remember(e *Event) {
	if k.versions == nil {
		k.versions = NewMemory(maxKnown)
	}
	k.versions.put(e.ID, e.Version)
}

func (k *known) told(e *Event) bool {
	return !e.Snapshot && e.Sequence <= k.through || k.versions != nil && e.Version <= k.versions.version(e.ID)
}
