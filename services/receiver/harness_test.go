package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// instance is a receiver that runs.
type instance struct {
	url  string
	addr string
	logs *logBuffer
	stop func()
}

// site is what a receiver runs with.
type site struct {
	open    func(context.Context) (Stores, error)
	connect func(context.Context) (*bus.Bus, error)
	mode    SpoolMode
	aside   string
}

// start runs a receiver until the test or stop ends it.
func start(t testing.TB, providers []Served, s site) *instance {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &instance{addr: listener.Addr().String(), url: "http://" + listener.Addr().String(), logs: &logBuffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{
			Listener: listener, Instance: "test", Providers: providers, Open: s.open, Connect: s.connect, Logger: r.logs.logger(),
			Spool: s.mode, Aside: s.aside, DeduplicationWindow: testWindow,
		})
	}()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// reply is an answer of the receiver.
type reply struct {
	code    int
	header  http.Header
	hangsUp bool
	text    string
	ID      string      `json:"id"`
	Status  string      `json:"status"`
	Cause   event.Cause `json:"cause"`
	Type    string      `json:"type"`
}

func do(t testing.TB, request *http.Request) reply {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return read(t, response)
}

func read(t testing.TB, response *http.Response) reply {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := reply{code: response.StatusCode, header: response.Header, hangsUp: response.Close, text: string(text)}
	var fields struct {
		ID, Type string
		Cause    event.Cause
		Status   any // A number in a problem.
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatalf("answer %q: %v", text, err)
	}
	got.ID, got.Type, got.Cause = fields.ID, fields.Type, fields.Cause
	got.Status, _ = fields.Status.(string)
	return got
}

// post posts what a provider would, behind /webhooks/.
func (r *instance) post(t testing.TB, path string, signed provider.Signed) reply {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, r.url+"/webhooks/"+path+signed.Path, bytes.NewReader(signed.Body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range signed.Header {
		request.Header.Set(name, value)
	}
	// No provider's type is to be relied on.
	request.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	return do(t, request)
}

func (r *instance) get(t testing.TB, path string) reply {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request)
}

// want checks an answer.
func (got reply) want(t testing.TB, code int, statusOrCause string) {
	t.Helper()
	if got.code != code || got.Status+string(got.Cause) != statusOrCause {
		t.Errorf("answer %d %s, want %d %s", got.code, got.text, code, statusOrCause)
	}
}
