package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/pkg/failpoint"
)

type restoreCommand struct {
	From     string       `required:"" help:"Directory of the backup." type:"existingdir" placeholder:"DIR"`
	Quiet    bool         `help:"Show no progress."`
	Settings kong.Plugins `embed:""`
}

// Help is shown by `verdict restore --help`.
func (*restoreCommand) Help() string {
	return `Makes an installation of a backup, in a data directory that has nothing but keys in it, while nothing of Verdict runs.
The backup is read and compared with its checksums before anything is written. Where it is interrupted, the services
refuse to start and the same command goes on.

The streams go to the broker of VERDICT_NATS_URL, which must have none of Verdict's, or into the data directory. Put the key directory
back where it was: what was sealed with other keys cannot be read. With PostgreSQL restore the dump first, or use an empty database, which
is filled from the streams.

Examples:
  verdict restore --from /backup/verdict-2026-03-01 --data-dir /var/lib/verdict
  verdict up & verdict doctor`
}

// Run restores everything.
func (cmd *restoreCommand) Run(out io.Writer, flags *settingFlags) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	cfg := flags.load()
	if err := cfg.Validate(""); err != nil {
		return fmt.Errorf("these settings do not work:\n%w", err)
	}
	r := &restore{cfg: cfg, from: cmd.From, progress: &progress{quiet: cmd.Quiet}}
	err := r.run(ctx)
	r.progress.end()
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	switch {
	case err != nil && r.begun:
		return fmt.Errorf("%w; the same command goes on, until then no service starts in %s", err, cfg.DataDir)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(out, "restored instance %s as of %s: %d streams, %d waiting webhooks\nput the keys back into %s, start Verdict, and look with `verdict doctor`\n",
		r.manifest.Instance, r.manifest.MadeAt.Format(time.RFC3339), len(r.manifest.Streams), r.manifest.Spool.Entries, cfg.KeyDir)
	return err
}

// restore is one restore under way.
type restore struct {
	cfg      *Config
	from     string
	manifest *backupManifest
	progress *progress
	note     restoreNote
	begun    bool // something may have been written

	server *bus.Server // nil with a broker elsewhere
	bus    *bus.Bus
}

// restoreNote lies in the data directory for as long as a restore is not finished.
type restoreNote struct {
	Backup string   `json:"backup"`
	From   string   `json:"from"`
	Done   []string `json:"done"` // streams
}

// restoreNoteName is the name of the note.
const restoreNoteName = "restore-unfinished.json"

// refuseUnfinishedRestore returns an error where the data directory holds half of a backup.
func refuseUnfinishedRestore(dataDir string) error {
	note, err := readRestoreNote(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the data directory %s holds half of a backup: go on with verdict restore --from %s, or empty it", dataDir, note.From)
}

func readRestoreNote(dataDir string) (restoreNote, error) {
	var note restoreNote
	content, err := os.ReadFile(filepath.Join(dataDir, restoreNoteName))
	if err == nil {
		err = json.Unmarshal(content, &note)
	}
	if err != nil {
		return note, fmt.Errorf("note of a restore: %w", err)
	}
	return note, nil
}

func (r *restore) saveNote() error {
	content, err := json.Marshal(&r.note)
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(r.cfg.DataDir, restoreNoteName), content)
}

func (r *restore) run(ctx context.Context) (err error) {
	if r.manifest, err = openBackup(r.from); err != nil {
		return err
	}
	if r.manifest.Instance != r.cfg.Instance {
		return fmt.Errorf("the backup is of instance %q and the settings say %q: set VERDICT_INSTANCE=%s", r.manifest.Instance, r.cfg.Instance, r.manifest.Instance)
	}
	lock, err := lockDirectory(r.cfg.DataDir)
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	defer lock.Close()
	if err := r.target(); err != nil {
		return err
	}
	if err := r.manifest.verify(r.from, func(done, total uint64) { r.progress.show("compare files", done, total) }); err != nil {
		return err
	}
	if err := r.connect(ctx); err != nil {
		return err
	}
	defer r.close()
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.files(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RestoreFiles)
	for i := range r.manifest.Streams {
		if err := r.stream(ctx, &r.manifest.Streams[i]); err != nil {
			return err
		}
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.close()
	if err := syncTree(r.cfg.DataDir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(r.cfg.DataDir, restoreNoteName)); err != nil {
		return err
	}
	return durable.Sync(r.cfg.DataDir)
}

// target looks whether the data directory may be written to: it is empty, but for what no backup holds, or has an unfinished restore of this backup.
func (r *restore) target() (err error) {
	id, err := r.manifest.id()
	if err != nil {
		return err
	}
	r.note, err = readRestoreNote(r.cfg.DataDir)
	if err == nil {
		if r.note.Backup != id {
			return fmt.Errorf("the data directory %s holds half of another backup: go on with verdict restore --from %s, or empty it", r.cfg.DataDir, r.note.From)
		}
		r.begun = true
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.note = restoreNote{Backup: id, From: r.from}
	entries, err := os.ReadDir(r.cfg.DataDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--data-dir: %w", err)
	}
	for _, entry := range entries {
		if !r.mayBeThere(entry.Name()) {
			return fmt.Errorf("the data directory %s is not empty, it has %s: a backup is restored into an empty one, with nothing but keys", r.cfg.DataDir, entry.Name())
		}
	}
	return nil
}

// mayBeThere reports whether a name in the data directory is none of what is restored.
func (r *restore) mayBeThere(name string) bool {
	inside, err := filepath.Rel(r.cfg.DataDir, r.cfg.KeyDir)
	keys, _, _ := strings.Cut(inside, string(filepath.Separator))
	// A broker elsewhere may be on this machine, too; whether it is empty is asked of itself.
	if name == "nats" && r.cfg.NATSURL.IsSet() {
		return true
	}
	return err == nil && name == keys || name == filepath.Base(devDir("")) || name == "nats-admin-password" || name == "lost+found" || name == restoreNoteName+durable.Unfinished
}

// connect starts a server in the data directory, or connects to the broker elsewhere.
func (r *restore) connect(ctx context.Context) (err error) {
	quiet := slog.New(slog.DiscardHandler)
	if !r.cfg.NATSURL.IsSet() {
		// From here on an interruption leaves something in the directory.
		if err := r.saveNote(); err != nil {
			return err
		}
		r.begun = true
		r.server, err = bus.StartServer(bus.ServerConfig{
			Dir: filepath.Join(r.cfg.DataDir, "nats"), Addr: "off", Logger: quiet, PasswordFile: filepath.Join(r.cfg.DataDir, "nats-admin-password"),
		})
		if err != nil {
			return err
		}
	}
	patient, cancel := context.WithTimeout(ctx, operatorPatience)
	defer cancel()
	r.bus, err = bus.Connect(patient, bus.Config{Server: r.server, URL: r.cfg.NATSURL.Reveal(), Name: "verdict-restore", Logger: quiet})
	if err != nil {
		r.close()
	}
	return err
}

// close ends the connection and the server; it may be called again.
func (r *restore) close() {
	if r.bus != nil {
		r.bus.Close()
		r.bus = nil
	}
	if r.server != nil {
		r.server.Shutdown()
		r.server = nil
	}
}

// begin makes sure that no stream is overwritten that is not of this restore, and leaves the note that something is half there.
func (r *restore) begin(ctx context.Context) error {
	if r.begun && r.server == nil {
		return nil
	}
	if r.server == nil {
		there, err := r.bus.Streams(ctx)
		if err != nil {
			return err
		}
		if len(there) > 0 {
			return fmt.Errorf("the broker has streams of Verdict: %s. Restore into a broker without them; nothing was restored", strings.Join(there, ", "))
		}
	}
	r.begun = true
	return r.saveNote()
}
