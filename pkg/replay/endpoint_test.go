package replay

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/runs"
)

// receiver is an endpoint that notes what it takes.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	taken []string
	// refuse returns the status for the n-th request, 0 to take it.
	refuse func(n int, r *http.Request, w http.ResponseWriter) int
	asked  int
}

func newReceiver(t *testing.T, refuse func(n int, r *http.Request, w http.ResponseWriter) int) *receiver {
	e := &receiver{refuse: refuse}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.asked++
		_, _ = io.Copy(io.Discard, r.Body)
		if e.refuse != nil {
			if status := e.refuse(e.asked, r, w); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		e.taken = append(e.taken, id(r))
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(e.Close)
	return e
}

// id is that of the event of a request.
func id(r *http.Request) string { return strings.ReplaceAll(r.Header.Get("Ce-Id"), "%25", "%") }

func (e *receiver) ids() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.taken...)
}

func ids(count int) []string {
	list := make([]string, count)
	for n := range list {
		_, v, _ := sample(n)
		list[n] = event.VerificationEventID(v.ID, v.Version)
	}
	return list
}

// An endpoint gets each event as CloudEvents says, with the credentials, in order.
func TestAnEndpointGetsTheEvents(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 20)
	originals := stored(t, b, bus.Verifications)
	dir := t.TempDir()
	token, headers := filepath.Join(dir, "token"), filepath.Join(dir, "headers")
	if err := errors.Join(os.WriteFile(token, []byte("hunter2\n"), 0o600), os.WriteFile(headers, []byte("# for the gateway\nX-Api-Key: hunter3\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var wrong []string
	e := newReceiver(t, func(n int, r *http.Request, _ http.ResponseWriter) int {
		original := originals[n-1]
		for name, want := range map[string]string{
			"Ce-Id": original.Header["ce-id"][0], "Ce-Subject": original.Header["ce-subject"][0], "Ce-Replay": "late", "Ce-Specversion": "1.0",
			"Content-Type": "application/json", "Ce-Datacontenttype": "", "Authorization": "Bearer hunter2", "X-Api-Key": "hunter3",
			"Ce-Traceparent": trace, "Nats-Msg-Id": "",
		} {
			if got := r.Header.Get(name); got != want {
				wrong = append(wrong, fmt.Sprintf("%d: %s is %q, want %q", n, name, got, want))
			}
		}
		return 0
	})
	d := newDesk(b)
	runWhole(t, d, "late", Request{Target: e.URL, BearerFile: token, HeaderFile: headers})
	if len(wrong) > 0 {
		t.Error(strings.Join(wrong, "\n"))
	}
	if diff := cmp.Diff(ids(20), e.ids()); diff != "" {
		t.Errorf("events (-published +taken):\n%s", diff)
	}
	run, err := d.Get(t.Context(), "late")
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%s %s", run.Spec, run.Detail); strings.Contains(text, "hunter") {
		t.Errorf("the book holds a secret: %s", text)
	}
}

// What an endpoint cannot take now is sent again, in its place; what it refuses ends the run, which goes on there when it is resumed.
func TestAnEndpointThatRefuses(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 30)
	d := newDesk(b)
	broken := true
	e := newReceiver(t, func(n int, r *http.Request, w http.ResponseWriter) int {
		switch {
		case n == 3:
			return http.StatusServiceUnavailable
		case n == 4:
			w.Header().Set("Retry-After", "0")
			return http.StatusTooManyRequests
		case broken && id(r) == ids(11)[10]:
			return http.StatusUnprocessableEntity
		}
		return 0
	})
	begin(t, d, "late", Request{Target: e.URL})
	err := d.Work(t.Context(), "late")
	if err == nil || !strings.Contains(err.Error(), "event 11 of KYC_VERIFICATIONS: the endpoint refuses event "+strings.ReplaceAll(ids(11)[10], "%", "%25")+": 422") {
		t.Errorf("error: %v", err)
	}
	run, err := d.Get(t.Context(), "late")
	if err != nil || run.State != runs.Failed || run.Position != 10 || run.Done != 10 || !strings.Contains(run.Error, "422") {
		t.Errorf("the run is %+v, %v", run, err)
	}
	broken = false
	if _, err := d.Resume(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	if err := d.Work(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids(30), e.ids()); diff != "" {
		t.Errorf("events (-published +taken):\n%s", diff)
	}
}

// An endpoint that leads elsewhere does not get the credentials sent there, and one that never answers well is given up.
func TestAnEndpointThatNeverTakes(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 3)
	d := newDesk(b)
	d.patience = time.Nanosecond
	elsewhere := newReceiver(t, nil)
	for name, status := range map[string]int{"moved": http.StatusTemporaryRedirect, "down": http.StatusBadGateway} {
		e := newReceiver(t, func(_ int, _ *http.Request, w http.ResponseWriter) int {
			w.Header().Set("Location", elsewhere.URL)
			return status
		})
		begin(t, d, name, Request{Target: e.URL})
		if err := d.Work(t.Context(), name); err == nil || !strings.Contains(err.Error(), http.StatusText(status)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(elsewhere.ids()) != 0 {
		t.Error("a redirection was followed")
	}
}
