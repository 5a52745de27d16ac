package slowdisk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is started as the two processes: this names which of them it is.
const actVariable = "SLOWDISK_ACT"

const (
	slower = 30 * time.Millisecond
	// syncs is how often the process that has joined syncs, one after the other.
	syncs = 5
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(actVariable) {
	case "keep":
		err = Keep(slower)
	case "join":
		err = write()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write joins, syncs a few times in threads that were there before and in new ones, and says
// how long that took.
func write() error {
	file, err := os.CreateTemp("", "slow-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := Join(); err != nil {
		return err
	}
	start := time.Now()
	for range syncs {
		done := make(chan error)
		go func() {
			_, err := file.WriteString("x")
			done <- errors.Join(err, file.Sync())
		}()
		if err := <-done; err != nil {
			return err
		}
	}
	info, err := file.Stat()
	fmt.Println(time.Since(start), info.Size())
	return err
}

func TestSyncsOfWhoHasJoinedTakeLonger(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var started []*exec.Cmd
	for i, act := range []string{"keep", "join"} {
		end := os.NewFile(uintptr(ends[i]), act)
		command := exec.CommandContext(t.Context(), os.Args[0])
		command.Env = append(os.Environ(), actVariable+"="+act, "TMPDIR="+t.TempDir())
		command.ExtraFiles, command.Stdout, command.Stderr = []*os.File{end}, &out, os.Stderr
		if act == "keep" {
			command.Stdout = io.Discard
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		end.Close()
		started = append(started, command)
	}
	// The keeper ends by itself once there is nobody left.
	for _, command := range started {
		if err := command.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	took, size, _ := strings.Cut(strings.TrimSpace(out.String()), " ")
	d, err := time.ParseDuration(took)
	if err != nil || d < syncs*slower {
		t.Errorf("%d syncs took %q, each must take %v more", syncs, took, slower)
	}
	if size != fmt.Sprint(syncs) {
		t.Errorf("%q bytes were written, want %d", size, syncs)
	}
}

func TestAKeeperWhoseProcessNeverJoinsSaysSo(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	end := os.NewFile(uintptr(ends[0]), "keep")
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), actVariable+"=keep")
	command.ExtraFiles = []*os.File{end}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	end.Close()
	if err := syscall.Close(ends[1]); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil {
		t.Error("it ended well")
	}
}

func TestFilesThatSyncByThemselvesAreFound(t *testing.T) {
	if past, err := SyncsByItself(os.Getpid()); past || err != nil {
		t.Fatalf("before there is one: %t, %v", past, err)
	}
	for _, flag := range []int{unix.O_DSYNC, os.O_SYNC} {
		file, err := os.OpenFile(filepath.Join(t.TempDir(), "f"), os.O_CREATE|os.O_WRONLY|flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if past, err := SyncsByItself(os.Getpid()); !past || err != nil {
			t.Errorf("flag %o: %t, %v", flag, past, err)
		}
		file.Close()
	}
}
