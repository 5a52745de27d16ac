package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/archive"
	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/spool"
	"github.com/verdict-stream/verdict/pkg/store"
)

type backupCommand struct {
	To       string       `required:"" help:"Directory to make; it may be there and empty." type:"path" placeholder:"DIR"`
	Archive  string       `help:"Directory of the archive; otherwise archive in the data directory." type:"path" placeholder:"DIR"`
	JSON     bool         `name:"json" help:"Print what was copied as JSON."`
	Quiet    bool         `help:"Show no progress."`
	Settings kong.Plugins `embed:""`
}

// Help is shown by `verdict backup --help`.
func (*backupCommand) Help() string {
	return `Copies a Verdict that runs to a directory: states and read model on SQLite, what waits in the spool, all streams with
their consumers, and the archive. Traffic goes on meanwhile; everything that was accepted before the start is in the copy.

Keys, passwords and secrets are not in it, nor are claims, which are made again from the deliveries that are still kept.
Keep the key directory and the master key elsewhere: without them no body can be read. With PostgreSQL copy the database with
pg_dump first, without the table of claims: see docs/operating.md.

Run it on the machine of the receiver, whose spool it copies, with the settings of the services.

Examples:
  verdict backup --to /backup/verdict-2026-03-01
  verdict backup --to /backup/now --data-dir /var/lib/verdict --json`
}

// Run copies everything. The directory is there only when that is done.
func (cmd *backupCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	b := &backup{operator: o, to: cmd.To, dir: cmd.To + unfinishedSuffix, archive: archiveDir(o.cfg, cmd.Archive), progress: &progress{quiet: cmd.Quiet}}
	err = b.make(ctx)
	if b.lock != nil {
		err = errors.Join(err, b.lock.Close())
	}
	b.progress.end()
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	if err != nil {
		return fmt.Errorf("%w; nothing was written to %s", err, cmd.To)
	}
	return b.manifest.write(out, cmd.JSON, cmd.To)
}

// unfinishedSuffix ends the name of the directory of a backup that is not whole.
const unfinishedSuffix = ".unfinished"

// backup is one backup under way.
type backup struct {
	*operator
	to, dir  string
	archive  string
	progress *progress
	manifest backupManifest
	lock     *os.File // of the directory that grows
}

// make copies everything in an order in which nothing that was accepted before can be missing: positions, databases, spool, streams, and of those the
// deliveries last. What moves from one to another meanwhile is in both.
func (b *backup) make(ctx context.Context) error {
	if err := b.begin(); err != nil {
		return err
	}
	b.manifest = backupManifest{Format: backupFormat, MadeAt: time.Now().UTC(), Version: version, Instance: b.cfg.Instance, Database: "sqlite"}
	if b.cfg.DatabaseURL.IsSet() {
		b.manifest.Database = "postgres"
	}
	for _, step := range []func(context.Context) error{b.positions, b.databases, b.spool, b.streams, b.archived, b.sums} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := b.manifest.save(b.dir); err != nil {
		return err
	}
	if err := os.Rename(b.dir, b.to); err != nil {
		return fmt.Errorf("finish the backup: %w", err)
	}
	return durable.Sync(filepath.Dir(b.to))
}

// begin makes the directory in which the backup grows, in the place of one that was not finished.
func (b *backup) begin() error {
	entries, err := os.ReadDir(b.to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--to: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("--to: %s is not empty; choose another directory", b.to)
	}
	if b.lock, err = lockDirectory(b.dir); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	left, err := os.ReadDir(b.dir)
	for _, entry := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(b.dir, entry.Name())))
	}
	if err != nil {
		return fmt.Errorf("remove a backup that was not finished: %w", err)
	}
	for _, dir := range []string{filepath.Join(b.dir, backupDatabases), filepath.Join(b.dir, backupStreams)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("--to: %w", err)
		}
	}
	return nil
}

// positions notes how far the lifecycle is: the copied states have what it has done up to there, and what it did later it does again.
func (b *backup) positions(ctx context.Context) error {
	for i := range b.providers {
		name := "lifecycle-" + b.providers[i].Name
		floor, err := b.bus.AckFloor(ctx, bus.Webhooks, name)
		if err != nil && !errors.Is(err, bus.ErrNotFound) {
			return err
		}
		if b.manifest.Database != "sqlite" {
			floor.Seq = 0 // of that database nobody here knows when it was copied
		}
		b.manifest.Positions = append(b.manifest.Positions, backupPosition{bus.Webhooks, name, floor.Seq})
	}
	return nil
}

// databases copies those of SQLite.
func (b *backup) databases(ctx context.Context) error {
	if b.manifest.Database != "sqlite" {
		return nil
	}
	b.progress.show("copy the databases", 0, 0)
	// Claims are made from deliveries that are kept, because of events that came behind them.
	since := map[string]uint64{}
	for _, stream := range []string{bus.Verifications, bus.Sandbox} {
		first, err := b.bus.FirstSince(ctx, stream, time.Now().Add(-b.place().longestRetention()-claimsGrace))
		if err != nil {
			return err
		}
		since[stream] = first
	}
	names, err := store.BackUp(ctx, b.place().location(), filepath.Join(b.dir, backupDatabases), since)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no database in %s: name the data directory of the services with --data-dir", b.cfg.DataDir)
	}
	return nil
}

// claimsGrace is for how long beyond its retention a delivery may be kept, and for clocks that differ.
const claimsGrace = 2 * time.Hour

// spool copies what was accepted and may be in no stream yet, and what no stream could take.
func (b *backup) spool(ctx context.Context) error {
	file, err := os.OpenFile(filepath.Join(b.dir, backupSpool), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy the spool: %w", err)
	}
	b.manifest.Spool, err = spool.Export(ctx, filepath.Join(b.cfg.DataDir, "spool"), file)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	aside := filepath.Join(b.cfg.DataDir, backupAside)
	entries, err := os.ReadDir(aside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(b.dir, backupAside), 0o700)
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".json") && entry.Type().IsRegular() {
			err = errors.Join(err, durable.Copy(filepath.Join(aside, entry.Name()), filepath.Join(b.dir, backupAside, entry.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("copy what was set aside: %w", err)
	}
	return nil
}

// firstStreams and lastStream are copied in this order, with all others between: a dead letter is deleted when there is an event or an outcome in its place, a held
// delivery when it is among the deliveries, and whatever tells of a delivery must find it.
var (
	firstStreams = []string{bus.Dead, bus.Held, bus.Outcomes, bus.Verifications, bus.Sandbox}
	lastStream   = bus.Webhooks
)

func (b *backup) streams(ctx context.Context) error {
	names, err := b.bus.Streams(ctx)
	if err != nil {
		return err
	}
	place := func(name string) int {
		if i := slices.Index(firstStreams, name); i >= 0 {
			return i
		}
		if name == lastStream {
			return len(firstStreams) + 1
		}
		return len(firstStreams)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	for _, name := range names {
		// What receivers say of their spools goes with these: a restored one has another name, and of the one before nobody would be
		// heard of again, for which deadlines would wait.
		if name == bus.Canary || name == bus.Spools {
			continue
		}
		if err := b.stream(ctx, name); err != nil {
			return err
		}
		failpoint.Hit(failpoint.BackupStream)
	}
	return nil
}

func (b *backup) stream(ctx context.Context, name string) error {
	s := backupStream{Name: name, File: filepath.Join(backupStreams, name+".snapshot")}
	file, err := os.OpenFile(filepath.Join(b.dir, s.File), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	s.Snapshot, err = b.bus.Backup(ctx, name, &countedWriter{to: file, show: func(n uint64) { b.progress.show("copy "+name+", bytes", n, 0) }})
	if err = errors.Join(err, file.Sync(), file.Close()); errors.Is(err, bus.ErrNotFound) {
		return os.Remove(file.Name()) // it went since it was listed
	}
	if err != nil {
		return err
	}
	var state struct {
		Messages uint64 `json:"messages"`
		LastSeq  uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(s.State, &state); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	s.Messages, s.Last = state.Messages, state.LastSeq
	b.manifest.Streams = append(b.manifest.Streams, s)
	return nil
}

// archived copies the archive, behind the stream that it belongs to: it has all that this one was trimmed of.
func (b *backup) archived(context.Context) error {
	b.progress.show("copy the archive", 0, 0)
	err := archive.Copy(b.archive, filepath.Join(b.dir, backupArchive))
	if errors.Is(err, archive.ErrNone) {
		return nil
	}
	return err
}

// sums notes what every file must be when it is restored.
func (b *backup) sums(ctx context.Context) error {
	return filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return durable.Sync(path)
		}
		name, err := filepath.Rel(b.dir, path)
		if err != nil {
			return err
		}
		file, err := sumFile(path, name)
		if err != nil {
			return fmt.Errorf("read back what was copied: %w", err)
		}
		b.manifest.Files = append(b.manifest.Files, file)
		b.progress.show("read back, files", uint64(len(b.manifest.Files)), 0)
		return nil
	})
}

// countedWriter tells how much was written.
type countedWriter struct {
	to   io.Writer
	n    uint64
	show func(uint64)
}

func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += uint64(n)
	c.show(c.n)
	return n, err
}
