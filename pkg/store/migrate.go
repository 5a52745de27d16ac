package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrations holds one folder of SQL files for each schema. They run as they are on both databases: SQLite takes any name
// of a type, and stores in a column of type BYTEA, BIGINT or BOOLEAN just what PostgreSQL does.
//
//go:embed migrations
var migrations embed.FS

var (
	errNewerSchema = errors.New("the database was migrated by a newer version of this program")
	errNoSchema    = errors.New("the database has no tables of this version yet: its writer has to start first")
)

// Another process that migrates is waited for: so many attempts, one a second.
const migrationLockPeriod, migrationLockAttempts = 1, 300

// migrate brings the tables to this program's version. It returns errNewerSchema where they are beyond it.
func (d *database) migrate(ctx context.Context, s schema) error {
	err := d.checkVersion(ctx, d.write(), s)
	if !errors.Is(err, errNoSchema) {
		return err
	}
	provider, err := d.migrator(s)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the tables: %w", classify(ctx, err))
	}
	return nil
}

func (d *database) migrator(s schema) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations/"+s.name)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithTableName(s.versionTable()), goose.WithDisableGlobalRegistry(true)}
	if d.postgres() {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(migrationLockPeriod, migrationLockAttempts))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(d.dialect, d.writer, files, options...)
}

// checkVersion returns nil where the tables are of this program's version, errNoSchema where they are missing or older,
// and errNewerSchema where they are newer.
func (d *database) checkVersion(ctx context.Context, on statements, s schema) error {
	want, err := s.version()
	if err != nil {
		return err
	}
	exists := `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1`
	if d.postgres() {
		exists = `SELECT count(to_regclass($1))`
	}
	var tables, have int64
	if _, err := on.one(ctx, []any{&tables}, exists, s.versionTable()); err != nil {
		return err
	}
	if tables == 0 {
		return errNoSchema
	}
	if _, err := on.one(ctx, []any{&have}, `SELECT COALESCE(MAX(version_id), 0) FROM `+s.versionTable()); err != nil {
		return err
	}
	switch {
	case have < want:
		return errNoSchema
	case have > want:
		return fmt.Errorf("%w: it has version %d of the %s tables, and this program knows %d", errNewerSchema, have, s.name, want)
	default:
		return nil
	}
}

// versionTable is where the migrations that were applied are recorded; two schemas may share one database.
func (s schema) versionTable() string { return "schema_version_" + s.name }

// version is that of the last migration.
func (s schema) version() (int64, error) {
	files, err := fs.Glob(migrations, "migrations/"+s.name+"/*.sql")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(files[len(files)-1])
}
