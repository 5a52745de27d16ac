package simulator

import (
	"context"
	"encoding/json"
	"errors"
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
	var got current
	err := s.get(ctx, difference.ID, want.Sandbox, maxVerification, &got)
	if err == nil && got.Status == "" {
		err = errNoAnswer
	}
	if err != nil {
		difference.Got = err.Error()
		return false, difference
	}
	difference.Got = got.text()
	if got.Status != want.Status || got.DecidedBy != want.By || got.Attempt != want.Attempt || !slices.Equal(got.Anomalies, want.Anomalies) {
		return false, difference
	}
	if wrong := s.announced(ctx, difference.ID, want, got.Version); wrong != "" {
		difference.Got += "; " + wrong
		return false, difference
	}
	return true, difference
}

var errNoAnswer = errors.New("the API answers with something that is no verification")

// get asks the API for something of one verification, of at most so many bytes.
func (s *simulation) get(ctx context.Context, path string, sandbox bool, limit int64, data any) error {
	url := s.cfg.API.URL + "/v1/verifications/" + path
	if sandbox {
		url += "?sandbox=true"
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("no valid URL")
	}
	if s.cfg.API.Token != "" {
		request.Header.Set("Authorization", "Bearer "+s.cfg.API.Token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("the API does not answer: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, limit))
	switch {
	case err != nil:
		return fmt.Errorf("the API does not answer: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("is not there")
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("the API answers with %s", response.Status)
	}
	answer := struct{ Data any }{data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return errNoAnswer
	}
	return nil
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
