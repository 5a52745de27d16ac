package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// profileMargin is what a profile may take longer than it lasts.
const profileMargin = 30 * time.Second

// Profile runs a load against everything in one process for as long as the configuration says,
// and writes profiles of the processors and of the memory to a directory, as cpu.pprof and
// heap.pprof.
func Profile(ctx context.Context, config Config, dir string) error {
	b, err := prepare(config)
	if b != nil {
		defer b.clean()
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of the profiles: %w", err)
	}
	in, err := b.install("profile")
	if err != nil {
		return err
	}
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	if _, _, err := in.start(ctx, roleUp, "--pprof-addr", addr); err != nil {
		return err
	}
	if err := in.connect(); err != nil {
		return err
	}
	sent := 0
	if err := b.warm(ctx, in, &sent); err != nil {
		return err
	}
	b.say("profile: %d connections for %v", fewSenders, b.Duration)
	profiled := make(chan error, 1)
	go func() {
		profiled <- fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", addr, b.Duration.Seconds()), b.Duration, filepath.Join(dir, "cpu.pprof"))
	}()
	l := in.load(fewSenders)
	l.duration = b.Duration
	got, err := l.run(ctx)
	if err = errors.Join(err, <-profiled); err != nil {
		return err
	}
	if err := fetch(ctx, "http://"+addr+"/debug/pprof/heap", 0, filepath.Join(dir, "heap.pprof")); err != nil {
		return err
	}
	through, err := in.behind(ctx, bus.Verifications, sent+got.ok())
	b.say("profile: %.0f webhooks a second were taken, %d of %d had no event at the end; %s", got.perSecond(), through, got.ok(), orNone(got.failures()))
	return err
}

func fetch(ctx context.Context, url string, lasts time.Duration, file string) error {
	ctx, cancel := context.WithTimeout(ctx, lasts+profileMargin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", response.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	_, err = io.Copy(out, response.Body)
	return errors.Join(err, out.Close())
}
