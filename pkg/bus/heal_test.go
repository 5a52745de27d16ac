package bus

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// limitFiles lets no file of this process grow beyond so many bytes until the returned function is called: writes fail then as on a full disk.
func limitFiles(t *testing.T, bytes uint64) (restore func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	// The signal that comes with the error would end the process.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	restore = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
		signal.Stop(signals)
	}
	t.Cleanup(restore)
	return restore
}

// alone runs the test that calls it in a process of its own, and reports whether this is that process: go test itself writes to a file from
// the process of the tests.
func alone(t *testing.T) bool {
	t.Helper()
	const variable = "VERDICT_TEST_ALONE"
	if os.Getenv(variable) == t.Name() {
		return true
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), variable+"="+t.Name())
	if output, err := command.CombinedOutput(); err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, output)
	}
	return false
}

// TestStreamsOpenAgainAfterAFailedWrite fills the disk, makes room again and finds everything that was acked, and new messages behind it.
func TestStreamsOpenAgainAfterAFailedWrite(t *testing.T) {
	if !alone(t) {
		return
	}
	b := newTestBus(t)
	const limit, size = 256 << 10, 32 << 10
	large := string(make([]byte, size))
	restore := limitFiles(t, limit)
	acked := 0
	for {
		ctx, cancel := shortly(t)
		_, err := b.Publish(ctx, testMessage("kyc.webhook.idenfy.other", fmt.Sprint("before", acked), large))
		cancel()
		if errors.Is(err, ErrUnavailable) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		acked++
		if acked*size > limit {
			t.Fatal("the disk does not get full")
		}
	}
	// The disk is still full: nothing changes.
	ctx, cancel := shortly(t)
	if _, err := b.Publish(ctx, testMessage("kyc.webhook.idenfy.other", "full", large)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a full disk takes a message: error %v", err)
	}
	cancel()
	restore()
	eventually(t, "the stream takes a message again", func() bool {
		ctx, cancel := shortly(t)
		defer cancel()
		_, err := b.Publish(ctx, testMessage("kyc.webhook.idenfy.other", "after", "small"))
		return err == nil
	})
	var ids []string
	_, err := b.Read(t.Context(), Webhooks, ">", 1, func(m Stored) error {
		ids = append(ids, m.Header[MessageIDHeader][0])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range acked {
		if i >= len(ids) || ids[i] != fmt.Sprint("before", i) {
			t.Fatalf("%d messages were acked, the stream holds %q", acked, ids)
		}
	}
	if ids[len(ids)-1] != "after" {
		t.Errorf("the stream holds %q", ids)
	}
}
