package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/archive"
	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/spool"
	"github.com/verdict-stream/verdict/pkg/store"
)

// files puts databases, spool, archive and what was set aside in their places, in the place of what an interrupted restore has left.
func (r *restore) files(ctx context.Context) error {
	r.progress.show("copy files", 0, 0)
	for _, name := range []string{"spool", backupAside, backupArchive} {
		if err := os.RemoveAll(filepath.Join(r.cfg.DataDir, name)); err != nil {
			return err
		}
	}
	for _, f := range r.manifest.Files {
		folder, name := filepath.Split(f.Name)
		var to string
		switch filepath.Clean(folder) {
		case backupDatabases:
			to = filepath.Join(r.cfg.DataDir, name)
			for _, suffix := range []string{"-wal", "-shm"} {
				if err := os.Remove(to + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		case backupAside, backupArchive:
			to = filepath.Join(r.cfg.DataDir, f.Name)
		default:
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := durable.Copy(filepath.Join(r.from, f.Name), to); err != nil {
			return err
		}
	}
	file, err := os.Open(filepath.Join(r.from, backupSpool))
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := spool.Import(ctx, filepath.Join(r.cfg.DataDir, "spool"), file)
	if err == nil && n != r.manifest.Spool.Entries {
		err = fmt.Errorf("the spool has %d entries, want %d", n, r.manifest.Spool.Entries)
	}
	return err
}

// stream restores one stream, unless that is done.
func (r *restore) stream(ctx context.Context, s *backupStream) error {
	if slices.Contains(r.note.Done, s.Name) {
		return nil
	}
	// What an interrupted restore has left may be whole or not.
	if err := r.bus.DropStream(ctx, s.Name); err != nil {
		return err
	}
	file, err := os.Open(filepath.Join(r.from, s.File))
	if err != nil {
		return err
	}
	defer file.Close()
	var done uint64
	shown := readerFunc(func(p []byte) (int, error) {
		n, err := file.Read(p)
		done += uint64(n)
		r.progress.show("restore "+s.Name+", bytes", done, 0)
		return n, err
	})
	if err := r.bus.Restore(ctx, s.Name, s.Snapshot, shown); err != nil {
		return err
	}
	state, err := r.bus.StreamState(ctx, s.Name)
	if err != nil {
		return err
	}
	if state.LastSeq != s.Last {
		return fmt.Errorf("%s ends at %d, want %d", s.Name, state.LastSeq, s.Last)
	}
	failpoint.Hit(failpoint.RestoreStream)
	r.note.Done = append(r.note.Done, s.Name)
	return r.saveNote()
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// settle makes databases, archive and consumers fit the streams that there are now.
func (r *restore) settle(ctx context.Context) error {
	var successors []store.Successor
	for _, s := range r.manifest.Streams {
		identity, err := r.bus.StreamIdentity(ctx, s.Name)
		if err != nil {
			return err
		}
		successors = append(successors, store.Successor{Stream: s.Name, From: s.Identity, To: identity, Last: s.Last})
	}
	if err := store.Rebind(ctx, (&process{cfg: r.cfg}).location(), successors); err != nil {
		return err
	}
	if err := r.rebindArchive(successors); err != nil {
		return err
	}
	for _, p := range r.manifest.Positions {
		if err := r.bus.RewindTo(ctx, p.Stream, p.Consumer, p.Floor); err != nil {
			return err
		}
	}
	return r.bus.Audit(ctx, bus.AuditEntry{
		Verb: "restore", Actor: actorName(), Via: "cli", Target: r.manifest.Instance, Count: uint64(len(r.manifest.Streams)),
		Note: "backup of " + r.manifest.MadeAt.Format(time.RFC3339),
	})
}

func (r *restore) rebindArchive(successors []store.Successor) error {
	a, err := archive.Open(filepath.Join(r.cfg.DataDir, backupArchive))
	if errors.Is(err, archive.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, s := range successors {
		if s.Stream == a.Manifest().Stream && s.From == a.Manifest().Identity {
			return a.Rebind(s.To)
		}
	}
	return nil
}

// syncTree brings everything below a directory to the disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() && !entry.Type().IsRegular() {
			return nil
		}
		return durable.Sync(path)
	})
}
