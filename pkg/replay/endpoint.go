package replay

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

const (
	// retryFirst and retryLongest are the pauses before what has failed is tried again: the first, doubled each time, and the longest.
	retryFirst   = 250 * time.Millisecond
	retryLongest = 30 * time.Second
	// retryPatience is how long one event may be refused before the run fails.
	retryPatience = 10 * time.Minute
	// answerTimeout is how long an endpoint may take for one event, and answerRead how much of its answer is read.
	answerTimeout = 30 * time.Second
	answerRead    = 64 << 10
	// leaveTime is how long a request may go on when the run is interrupted.
	leaveTime = 3 * time.Second
	// maxCredentials is how long a file with a token or headers may be.
	maxCredentials = 64 << 10
)

// endpoint is a sink that posts each event in the binary mode of CloudEvents, and goes on with the next one when it was taken.
type endpoint struct {
	name                   string // of the run
	url                    string
	bearerFile, headerFile string
	patience               time.Duration

	client *http.Client
	header http.Header // of every request
	sent   int64       // bytes
}

func (e *endpoint) open(context.Context) (err error) {
	if e.header, err = credentials(e.bearerFile, e.headerFile); err != nil {
		return err
	}
	e.client = &http.Client{
		Timeout:   answerTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, ForceAttemptHTTP2: true},
		// Credentials are for the endpoint that was named, and nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

// credentials reads what is sent with every request besides the event. Its errors repeat nothing of it.
func credentials(bearerFile, headerFile string) (http.Header, error) {
	header := http.Header{"User-Agent": {"verdict-replay"}}
	if headerFile != "" {
		text, err := readCredentials(headerFile)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		for number := 1; lines.Scan(); number++ {
			line := strings.TrimSpace(lines.Text())
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			name, value, ok := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			if !ok || !headerName.MatchString(name) || !headerValue(value) || strings.HasPrefix(strings.ToLower(name), "ce-") {
				return nil, fmt.Errorf("line %d of %s is not a header such as X-Api-Key: VALUE", number, headerFile)
			}
			header.Add(name, value)
		}
	}
	if bearerFile != "" {
		text, err := readCredentials(bearerFile)
		if err != nil {
			return nil, err
		}
		token := strings.TrimSpace(string(text))
		if token == "" || !headerValue(token) {
			return nil, fmt.Errorf("%s does not hold a token", bearerFile)
		}
		header.Set("Authorization", "Bearer "+token)
	}
	return header, nil
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// headerValue reports whether a text may be the value of a header: it has no control characters.
func headerValue(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

func readCredentials(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxCredentials))
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	return text, nil
}

// refusal is why an endpoint has not taken an event.
type refusal struct {
	why   string
	again bool          // whether it may take it later
	after time.Duration // when it asked to be asked again, 0 where it did not
}

func (e *endpoint) put(ctx context.Context, m *bus.Stored) error {
	pause, begun := retryFirst, time.Now()
	for {
		refused := e.post(ctx, m)
		switch {
		case refused == nil:
			e.sent += int64(len(m.Data))
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !refused.again:
			return fmt.Errorf("the endpoint refuses event %s: %s", first(m.Header["ce-id"]), refused.why)
		case time.Since(begun) >= e.patience:
			return fmt.Errorf("the endpoint has not taken event %s within %v: %s", first(m.Header["ce-id"]), e.patience, refused.why)
		}
		if err := wait(ctx, min(max(pause, refused.after), retryLongest)); err != nil {
			return err
		}
		pause = min(2*pause, retryLongest)
	}
}

// post sends one event once. Where ctx ends meanwhile, the endpoint still has leaveTime to answer: what it has taken need not be sent again.
func (e *endpoint) post(ctx context.Context, m *bus.Stored) *refusal {
	asking, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(leaveTime, abandon) })()
	request, err := http.NewRequestWithContext(asking, http.MethodPost, e.url, bytes.NewReader(m.Data))
	if err != nil {
		return &refusal{why: "the URL cannot be asked"}
	}
	for name, values := range e.header {
		request.Header[name] = values
	}
	for name, values := range m.Header {
		// In HTTP the type of the data is that of the message alone.
		if attribute, ok := strings.CutPrefix(name, "ce-"); ok && attribute != "datacontenttype" && len(values) > 0 {
			request.Header.Set(name, values[0])
		}
	}
	request.Header.Set(event.ReplayHeader, e.name)
	request.Header.Set("Content-Type", first(m.Header["ce-datacontenttype"]))
	response, err := e.client.Do(request)
	if err != nil {
		// The client's error names the URL, which the run does too.
		return &refusal{why: err.Error(), again: true}
	}
	defer response.Body.Close()
	// What is read lets the connection be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, answerRead))
	status := response.StatusCode
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return &refusal{why: response.Status, again: true, after: time.Duration(seconds) * time.Second}
	default:
		return &refusal{why: response.Status}
	}
}

// wait returns early, with the cause, where ctx ends.
func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *endpoint) flush(context.Context) error  { return nil }
func (e *endpoint) finish(context.Context) error { return nil }

func (e *endpoint) close() error {
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
	return nil
}
