package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// overwrite puts noise in the place of a part of a file.
func overwrite(t *testing.T, path string, from, length int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteAt(bytes.Repeat([]byte{0xa5}, int(length)), from)
	must(t, errors.Join(err, file.Close()))
}

// closedLifecycle makes a state with a record in it, and returns the path of its file.
func closedLifecycle(t *testing.T, at Location) string {
	t.Helper()
	l, err := OpenLifecycle(t.Context(), at, testProvider)
	must(t, err)
	save(t, l, waitingRecord("a", start), Dates{})
	must(t, l.Close())
	return filepath.Join(at.Dir, "lifecycle-yousign.db")
}

// TestSetAside destroys the head of a file. It is nobody's defect and nothing is removed, and the provider can begin anew.
func TestSetAside(t *testing.T) {
	at := sqlitePlace(t)
	path := closedLifecycle(t, at)
	overwrite(t, path, 0, 4096)
	for range 2 {
		if _, err := OpenLifecycle(t.Context(), at, testProvider); !errors.Is(err, ErrDamaged) || !errors.Is(err, ErrUnavailable) {
			t.Fatalf("opened a file without a head: error %v", err)
		}
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		must(t, os.WriteFile(path+suffix, []byte("left by a crash"), fileMode))
	}
	damaged, err := os.ReadFile(path)
	must(t, err)

	aside, err := SetAside(at, testProvider)
	must(t, err)
	if !strings.HasPrefix(aside, path+".damaged-") {
		t.Errorf("it is aside as %s", aside)
	}
	if kept, err := os.ReadFile(aside); err != nil || !bytes.Equal(kept, damaged) {
		t.Errorf("the file aside is another one, error %v", err)
	}
	unix := strings.TrimPrefix(aside, path)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_, there := os.Stat(path + suffix)
		_, moved := os.Stat(path + suffix + unix)
		if !errors.Is(there, os.ErrNotExist) || moved != nil {
			t.Errorf("file %q: in its old place: %v; aside: %v", suffix, there, moved)
		}
	}
	l := newLifecycle(t, at)
	if got := load(t, l, testID("a"), false).Version; got != 0 {
		t.Errorf("the new state has version %d", got)
	}
	save(t, l, waitingRecord("a", start), Dates{})
}

// TestDamagedInUse destroys the pages behind the head, which are read later.
func TestDamagedInUse(t *testing.T) {
	at := sqlitePlace(t)
	path := closedLifecycle(t, at)
	info, err := os.Stat(path)
	must(t, err)
	l := newLifecycle(t, at)
	overwrite(t, path, 4096, info.Size()-4096)
	err = l.Update(t.Context(), func(tx *Tx) error { _, err := tx.Record(t.Context(), testID("a"), false); return err })
	if !errors.Is(err, ErrDamaged) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want %v", err, ErrDamaged)
	}
}

func TestSetAsideRefuses(t *testing.T) {
	at := sqlitePlace(t)
	if _, err := SetAside(at, testProvider); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing was set aside: error %v", err)
	}
	newLifecycle(t, at)
	if _, err := SetAside(at, testProvider); !errors.Is(err, ErrLeased) {
		t.Errorf("a state that is open was set aside: error %v", err)
	}
	if _, err := SetAside(Location{URL: "postgres://db.example/verdict"}, testProvider); !errors.Is(err, errNoFile) {
		t.Errorf("a server was set aside: error %v", err)
	}
}

// TestSetAsideInterrupted leaves the log of the old file beside the new one, as a crash between the renames does.
func TestSetAsideInterrupted(t *testing.T) {
	at := sqlitePlace(t)
	l, err := OpenLifecycle(t.Context(), at, testProvider)
	must(t, err)
	save(t, l, waitingRecord("a", start), Dates{})
	path := filepath.Join(at.Dir, "lifecycle-yousign.db")
	log, err := os.ReadFile(path + "-wal")
	must(t, err)
	must(t, l.Close())
	if len(log) == 0 {
		t.Fatal("the log is empty")
	}
	_, err = setAside(at, lifecycleSchema(testProvider), time.Unix(1, 0))
	must(t, err)
	must(t, os.WriteFile(path+"-wal", log, fileMode))
	if got := load(t, newLifecycle(t, at), testID("a"), false).Version; got != 0 {
		t.Errorf("the new state has version %d of the old one", got)
	}
}
