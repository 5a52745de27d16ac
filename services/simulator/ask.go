package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const (
	askTimeout = 10 * time.Second
	// maxVerification is far above what one verification's state can be.
	maxVerification = 1 << 20
)

// current is what the API says of a verification, as far as a story says something of it.
type current struct {
	Status    verification.Status
	DecidedBy verification.By `json:"decided_by"`
	Attempt   int
	Anomalies []string
	Version   int
}

// ask reports whether a verification is what it must be, and what it is instead.
func (s *simulation) ask(ctx context.Context, t target) (bool, Difference) {
	player, story := s.story(t.story)
	want := story.Want[t.want]
	difference := Difference{ID: id(player.Provider, want), Want: wanted(want)}
	got, err := s.get(ctx, difference.ID, want.Sandbox)
	if err != nil {
		difference.Got = err.Error()
		return false, difference
	}
	difference.Got = got.text()
	right := got.Status == want.Status && got.DecidedBy == want.By && got.Attempt == want.Attempt &&
		slices.Equal(got.Anomalies, want.Anomalies) && got.Version >= want.Signals
	return right, difference
}

// get asks the API for one verification.
func (s *simulation) get(ctx context.Context, id string, sandbox bool) (*current, error) {
	url := s.cfg.API.URL + "/v1/verifications/" + id
	if sandbox {
		url += "?sandbox=true"
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("no valid URL")
	}
	if s.cfg.API.Token != "" {
		request.Header.Set("Authorization", "Bearer "+s.cfg.API.Token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the API does not answer: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxVerification))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the API does not answer: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("is not there")
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the API answers with %s", response.Status)
	}
	var got struct{ Data current }
	if err := json.Unmarshal(body, &got); err != nil || got.Data.Status == "" {
		return nil, fmt.Errorf("the API answers with something that is no verification")
	}
	return &got.Data, nil
}

func wanted(want provider.Expectation) string {
	c := current{want.Status, want.By, want.Attempt, want.Anomalies, want.Signals}
	return c.text()
}

// text is a state in one line.
func (c *current) text() string {
	text := fmt.Sprintf("%s, attempt %d, version %d", c.Status, c.Attempt, c.Version)
	if c.DecidedBy != "" {
		text += ", by " + string(c.DecidedBy)
	}
	if len(c.Anomalies) > 0 {
		text += ", " + strings.Join(c.Anomalies, " ")
	}
	return text
}
