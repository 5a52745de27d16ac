package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// made returns the message of one version of a verification.
func made(t *testing.T, seq uint64, reference string, version int) bus.Stored {
	t.Helper()
	at := time.Date(2026, 11, 1, 8, 0, int(seq), 0, time.UTC)
	id := verification.NewID("idenfy", "id_verification", reference)
	data := event.NewVerification(id, "case", verification.Change{
		Event: "approved", Version: version, State: verification.State{Status: "approved", Attempt: 1},
		Signal: verification.Signal{ID: fmt.Sprintf("s%d", seq), At: at, ReceivedAt: at}, Cause: verification.Cause{ID: "idenfy:x", Seq: seq},
	})
	header, body, err := data.Encode("default", "approved", "")
	if err != nil {
		t.Fatal(err)
	}
	return bus.Stored{
		Message: bus.Message{Subject: "kyc.v1.idenfy.id_verification.approved", Header: header, Data: body},
		Stream:  bus.Verifications, Seq: seq, Time: at,
	}
}

// stream is a source of n messages about three verifications.
func stream(t *testing.T, n int) Source {
	t.Helper()
	messages := make([]bus.Stored, n)
	for i := range messages {
		messages[i] = made(t, uint64(i+1), fmt.Sprintf("r%d", i%3), i/3+1)
	}
	return func(_ context.Context, from uint64, fn func(bus.Stored) error) error {
		for _, m := range messages[from-1:] {
			if err := fn(m); err != nil {
				return err
			}
		}
		return nil
	}
}

func open(t *testing.T, dir string) *Archive {
	t.Helper()
	a, err := OpenOrCreate(dir, bus.Verifications, "then", "default", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// sequences lists the positions of what a reader is handed.
func sequences(t *testing.T, read func(context.Context, func(*Entry) error) error) []uint64 {
	t.Helper()
	list := []uint64{}
	err := read(t.Context(), func(e *Entry) error {
		list = append(list, e.Sequence)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func events(a *Archive) func(context.Context, func(*Entry) error) error {
	return func(ctx context.Context, fn func(*Entry) error) error { return a.Events(ctx, 1, fn) }
}

func upTo(n uint64) []uint64 {
	list := []uint64{}
	for i := uint64(1); i <= n; i++ {
		list = append(list, i)
	}
	return list
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestExtend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	source := stream(t, 10)
	for _, step := range []struct {
		through uint64
		latest  []uint64
	}{{2, []uint64{1, 2}}, {7, []uint64{5, 6, 7}}, {10, []uint64{8, 9, 10}}} {
		a := open(t, dir)
		if _, err := OpenOrCreate(dir, bus.Verifications, "then", "default", 1); !errors.Is(err, ErrBusy) {
			t.Errorf("opened twice: %v", err)
		}
		if err := a.Extend(t.Context(), step.through, source, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		again, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(upTo(step.through), sequences(t, events(again))); diff != "" {
			t.Errorf("events through %d (-want +got):\n%s", step.through, diff)
		}
		if diff := cmp.Diff(step.latest, sequences(t, again.Latest)); diff != "" {
			t.Errorf("latest through %d (-want +got):\n%s", step.through, diff)
		}
		if again.Manifest().Through != step.through {
			t.Errorf("through %d, want %d", again.Manifest().Through, step.through)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "latest-*"))
	if err != nil || len(files) != 1 {
		t.Errorf("latest files %v, %v: want one", files, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is read back is what was in the stream.
func TestEntry(t *testing.T) {
	a := open(t, t.TempDir())
	if err := a.Extend(t.Context(), 3, stream(t, 3), func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	err := a.Events(t.Context(), 2, func(e *Entry) error {
		n++
		m := made(t, n+1, fmt.Sprintf("r%d", n), 1)
		envelope, err := event.Decode(m.Header, m.Data)
		if err != nil {
			return err
		}
		want, published, err := event.VerificationOf(envelope)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, e.Data); diff != "" || e.Published != published || !e.StoredAt.Equal(m.Time) {
			t.Errorf("published %s at %v (-want +got):\n%s", e.Published, e.StoredAt, diff)
		}
		return nil
	})
	if err != nil || n != 2 {
		t.Errorf("read %d events, %v: want 2", n, err)
	}
}

// A run that ended between two files goes on behind the last whole one; what it was writing is removed.
func TestExtendAfterCrash(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	broken := errors.New("broken")
	source := stream(t, 10)
	err := a.extendEvents(t.Context(), 9, func(ctx context.Context, from uint64, fn func(bus.Stored) error) error {
		return source(ctx, from, func(m bus.Stored) error {
			if m.Seq == 6 {
				return broken
			}
			return fn(m)
		})
	}, 2000, func(uint64) {})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	whole := len(a.manifest.Events)
	if whole == 0 {
		t.Fatal("no file was finished before the crash")
	}
	for _, name := range []string{"events.part", "latest.part", "events-00000000000000000090-00000000000000000099.ndjson"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, a.Close())
	a = open(t, dir)
	// A shorter run than the one that crashed takes no more than it was asked for.
	if err := a.Extend(t.Context(), 2, source, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{1, 2}, sequences(t, a.Latest)); diff != "" {
		t.Errorf("latest (-want +got):\n%s", diff)
	}
	must(t, a.Close())
	a = open(t, dir)
	if err := a.Extend(t.Context(), 9, source, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(upTo(9), sequences(t, events(a))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDamage(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)-10] },
		"shorter": func(b []byte) []byte { return []byte(strings.SplitAfter(string(b), "\n")[0]) },
		"changed": func(b []byte) []byte { return []byte(strings.Replace(string(b), "approved", "rejected", 1)) },
		"longer":  func(b []byte) []byte { return append(b, b...) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := open(t, dir)
			if err := a.Extend(t.Context(), 4, stream(t, 4), func(uint64) {}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, a.manifest.Events[0].Name)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := a.Verify(t.Context()); !errors.Is(err, ErrDamaged) {
				t.Errorf("verify: %v", err)
			}
			if err := a.Events(t.Context(), 1, func(*Entry) error { return nil }); !errors.Is(err, ErrDamaged) {
				t.Errorf("events: %v", err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "photo.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := open(t, dir)
	must(t, a.Extend(t.Context(), 4, stream(t, 4), func(uint64) {}))
	must(t, a.Close())
	for _, c := range []struct {
		dir, identity, instance string
		first                   uint64
		want                    string
	}{
		{full, "then", "default", 1, "neither empty nor an archive"},
		{dir, "later", "default", 1, "of another stream"},
		{dir, "then", "other", 1, "of another stream"},
		{dir, "then", "default", 9, "are in neither"},
	} {
		if _, err := OpenOrCreate(c.dir, bus.Verifications, c.identity, c.instance, c.first); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNone) {
		t.Errorf("got %v, want %v", err, ErrNone)
	}
}
