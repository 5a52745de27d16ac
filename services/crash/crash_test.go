//go:build linux && crash

package crash

import (
	"cmp"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider/all"
)

// database returns a new PostgreSQL database. Where the tests were built without it, it is nil.
var database func(t *testing.T) string

// TestCrash plays for FOR, from SEED on, in the form that FORM names or in all, with the
// faults that FAULTS lists or with all, in the spool's mode that SPOOL names or in all. The binary
// is VERDICT, or is built.
func TestCrash(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Broker: []string{self}, Dir: filepath.Join(os.TempDir(), "verdict-crash-"+strconv.Itoa(os.Getpid())), Providers: all.Providers(),
		Seed: rand.Uint64(), Forms: Forms, Spools: Spools, For: 10 * time.Minute, RoundLength: time.Minute,
		Rate: 80, Window: time.Second, Log: os.Stderr,
	}
	if given := os.Getenv("SEED"); given != "" {
		if cfg.Seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	if given := os.Getenv("FOR"); given != "" {
		if cfg.For, err = time.ParseDuration(given); err != nil || cfg.For <= 0 {
			t.Fatalf("FOR must be a duration such as 10m, not %q", given)
		}
	}
	if given := os.Getenv("FORM"); given != "" {
		cfg.Forms = slices.DeleteFunc(slices.Clone(Forms), func(f Form) bool { return f.Name != given })
		if len(cfg.Forms) == 0 {
			t.Fatalf("FORM: there is no %q", given)
		}
	}
	if given := os.Getenv("FAULTS"); given != "" {
		cfg.Faults = strings.Split(given, ",")
		for _, name := range cfg.Faults {
			if !slices.Contains(Faults, name) {
				t.Fatalf("FAULTS: there is no %q, there are %v", name, Faults)
			}
		}
	}
	if given := os.Getenv("SPOOL"); given != "" {
		if cfg.Spools = []string{given}; !slices.Contains(Spools, given) {
			t.Fatalf("SPOOL: there is no %q, there are %v", given, Spools)
		}
	}
	if database != nil {
		cfg.Database = func() string { return database(t) }
	}
	cfg.Verdict = cmp.Or(os.Getenv("VERDICT"), build(t))
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := Run(ctx, cfg)
	if writeErr := report.WriteTable(os.Stderr); writeErr != nil {
		t.Error(writeErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Failed) > 0 {
		t.Errorf("%d of %d rounds failed", len(report.Failed), report.Rounds)
		return
	}
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Error(err)
	}
}

// build builds the binary.
func build(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("VERDICT"); given != "" {
		return given
	}
	path := filepath.Join(t.TempDir(), "verdict")
	command := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "build", "-o", path, "../verdict")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	return path
}
