package bus

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

const (
	// healPause is between a failed write, and each look after it, and the next look at whether the disk takes writes again.
	healPause = time.Second
	// healProbe is how many bytes the disk must take before the streams are opened again. It is what a stream that works again writes within moments.
	healProbe = 4 << 20
)

// healer opens the streams of the in-process server again after a write to one of them has failed, on a full disk for example. The server closes such
// a stream for writing for as long as it runs, and publishes to it are not even answered.
type healer struct {
	end  chan struct{}
	done sync.WaitGroup
	once sync.Once
}

func startHealer(inner *natsserver.Server, options *natsserver.Options, closed <-chan struct{}, logger *slog.Logger) *healer {
	h := &healer{end: make(chan struct{})}
	alarm := telemetry.Every(logger, logInterval)
	h.done.Go(func() {
		for h.wait(closed) {
			for {
				if !h.pause() {
					return
				}
				err := probe(options.StoreDir)
				if err == nil {
					// The server says it more than once.
					select {
					case <-closed:
					default:
					}
					err = reopen(inner, options)
				}
				if err == nil {
					logger.Info("the in-process nats-server has opened its streams again")
					break
				}
				alarm.Error("the streams of the in-process nats-server are closed until the disk takes writes again", "error", err)
			}
		}
	})
	return h
}

func (h *healer) wait(closed <-chan struct{}) bool {
	select {
	case <-h.end:
		return false
	case <-closed:
		return true
	}
}

func (h *healer) pause() bool {
	select {
	case <-h.end:
		return false
	case <-time.After(healPause):
		return true
	}
}

// stop returns once nothing of it runs any more.
func (h *healer) stop() {
	h.once.Do(func() { close(h.end) })
	h.done.Wait()
}

// probe writes to the disk of the directory and syncs it.
func probe(dir string) (err error) {
	path := filepath.Join(dir, "probe")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	if _, err = file.Write(make([]byte, healProbe)); err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// reopen stops JetStream and starts it again as it was started: every stream is read from the disk anew, as after a restart of the process.
func reopen(inner *natsserver.Server, options *natsserver.Options) error {
	if inner.JetStreamEnabled() {
		if err := inner.ShutdownJetStream(); err != nil {
			return err
		}
	}
	return inner.EnableJetStream(&natsserver.JetStreamConfig{
		StoreDir: options.StoreDir, SyncInterval: options.SyncInterval, SyncAlways: options.SyncAlways,
		MaxMemory: options.JetStreamMaxMemory, MaxStore: options.JetStreamMaxStore, Strict: !options.NoJetStreamStrict,
	})
}
