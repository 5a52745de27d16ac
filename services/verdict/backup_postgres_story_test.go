//go:build postgres

package main

import (
	"path/filepath"
	"testing"
)

// With PostgreSQL a backup has the streams; an empty database is filled from them.
func TestBackupAndRestoreWithPostgres(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		if f.database == nil {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			in := startInstallation(t, f)
			in.keysElsewhere()
			want := undisturbed(t)
			must(t, in.start())
			all := everything(t)
			must(t, in.deliverAll(all[:len(all)/2]))
			must(t, in.account())
			in.mustBeWell(t)
			dir := filepath.Join(in.dir, "backup")
			in.mustSay(t, "backup", "--to", dir)
			in.loseData(t)
			in.settings["VERDICT_DATABASE_URL"] = f.database(t)
			in.startBroker(t)
			in.mustSay(t, "restore", "--from", dir)
			must(t, in.start())
			in.mustBeWell(t)
			must(t, in.deliverAll(all))
			in.mustBeWell(t)
			in.mustEndAs(t, want)
		})
	}
}
