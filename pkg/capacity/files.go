package capacity

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// SQLFiles returns a source of the SQLite files in a directory, each with what belongs to it.
func SQLFiles(dir string) Source {
	return func(context.Context) []Level {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil
		}
		var levels []Level
		for _, entry := range entries {
			name, ours := strings.CutSuffix(entry.Name(), ".db")
			if !ours {
				continue
			}
			l := Level{Kind: "sql", Name: name}
			for _, suffix := range []string{"", "-wal"} {
				if info, err := os.Stat(filepath.Join(dir, entry.Name()+suffix)); err == nil {
					l.Used += uint64(info.Size())
				}
			}
			levels = append(levels, l)
		}
		return levels
	}
}
