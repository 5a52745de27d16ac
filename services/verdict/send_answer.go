package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
)

const (
	// sendTimeout is above what any provider waits for an answer.
	sendTimeout = 15 * time.Second
	// maxAnswer is far above what a receiver answers.
	maxAnswer = 64 << 10
)

// sendAnswer is what the receiver answered.
type sendAnswer struct {
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer"` // A JSON string where the answer is not JSON.
}

func post(target string, signed provider.Signed) (*sendAnswer, error) {
	request, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(signed.Body))
	if err != nil {
		return nil, errors.New("--url: makes no valid URL")
	}
	for name, value := range signed.Header {
		request.Header.Set(name, value)
	}
	client := http.Client{
		Timeout: sendTimeout,
		// A webhook is not sent on to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		// The outer error repeats the URL, which may hold a token.
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, fmt.Errorf("send to %s: %w; is the receiver running?", request.URL.Host, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if !json.Valid(text) {
		if text, err = json.Marshal(string(text)); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
	}
	return &sendAnswer{Status: response.StatusCode, Answer: text}, nil
}

func (a *sendAnswer) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(a)
	}
	_, err := fmt.Fprintf(out, "%d %s\n%s\n", a.Status, http.StatusText(a.Status), a.Answer)
	return err
}
