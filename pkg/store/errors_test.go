package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// marker stands for what must be in no error and no span.
const marker = "marked-4711"

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// onLog calls fn when a line with the message is logged.
func onLog(t *testing.T, message string, fn func()) {
	t.Helper()
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(writerFunc(func(line []byte) {
		if bytes.Contains(line, []byte(message)) {
			fn()
		}
	}), nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func testClosed(t *testing.T, at place) {
	place := at(t)
	l, err := OpenLifecycle(t.Context(), place, testProvider)
	must(t, err)
	m, err := OpenReadModel(t.Context(), place)
	must(t, err)
	must(t, errors.Join(l.Close(), m.Close()))
	unavailable(t, l, m)
}

// unavailable checks that every way to use the stores says that the database is away.
func unavailable(t *testing.T, l *Lifecycle, m *ReadModel) {
	t.Helper()
	for name, use := range map[string]func() error{
		"update":    func() error { return l.Update(t.Context(), func(*Tx) error { return nil }) },
		"waiting":   func() error { _, err := l.Waiting(t.Context(), "L", 0, 1); return err },
		"records":   func() error { return l.Records(t.Context(), func(*verification.Record) error { return nil }) },
		"put event": func() error { return m.PutEvent(t.Context(), testEventRow("a", 1, 1, 1)) },
		"claims":    func() error { _, err := m.Claims(t.Context(), "a", false); return err },
		"stats":     func() error { _, err := m.Stats(t.Context()); return err },
	} {
		if err := use(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: error %v, want %v", name, err, ErrUnavailable)
		}
	}
}

func testEndedContext(t *testing.T, at place) {
	place := at(t)
	l, m := newLifecycle(t, place), newReadModel(t, place)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, use := range map[string]func(ctx context.Context) error{
		"update":    func(ctx context.Context) error { return l.Update(ctx, func(*Tx) error { return nil }) },
		"waiting":   func(ctx context.Context) error { _, err := l.Waiting(ctx, "L", 0, 1); return err },
		"put event": func(ctx context.Context) error { return m.PutEvent(ctx, testEventRow("a", 1, 1, 1)) },
	} {
		if err := use(canceled); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s after the caller gave up: error %v", name, err)
		}
		if err := use(late); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s after the deadline: error %v", name, err)
		}
	}
}

// testWhatIsUnavailable asks for what only somebody else can put right, and for what no database does.
func testWhatIsUnavailable(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	run := func(query string, args ...any) error {
		_, err := m.db.write().exec(t.Context(), query, args...)
		return err
	}
	const insert = `INSERT INTO progress (stream, identity, sequence, pending, at) VALUES ($1, $2, $3, 0, 0)`
	must(t, run(insert, "s", "", 1))
	for _, test := range []struct {
		name        string
		err         error
		unavailable bool
	}{
		{"a table that is missing", run(`DELETE FROM nowhere`), true},
		{"a column that is missing", run(`SELECT nothing FROM progress`), true},
		{"no SQL", run(`PROGRESS`), true},
		{"a row that is there already", run(insert, "s", "", 1), false},
		{"no value for a column", run(insert, "t", nil, 1), false},
		{"a value that is not in the list", run(`INSERT INTO delivery (stream, sequence, outcome) VALUES ('s', 1, $1)`, "lost"), false},
	} {
		if test.err == nil || errors.Is(test.err, ErrUnavailable) != test.unavailable || errors.Is(test.err, ErrDamaged) {
			t.Errorf("%s: error %v", test.name, test.err)
		}
	}
}

// TestStates is the table of PostgreSQL's codes.
func TestStates(t *testing.T) {
	for state, unavailable := range map[string]bool{
		"22001": false, "22003": false, "22021": false, "22P02": false, "23502": false, "23505": false, "23514": false,
		"08006": true, "0A000": true, "25006": true, "25P03": true, "28000": true, "28P01": true, "3D000": true, "40001": true,
		"40P01": true, "42501": true, "42601": true, "42703": true, "42P01": true, "53100": true, "53300": true, "54000": true,
		"55P03": true, "57P01": true, "57P03": true, "58030": true, "XX000": true, "XX001": true, "": true,
	} {
		err := classify(t.Context(), fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: state, Message: marker, Detail: marker}))
		if errors.Is(err, ErrUnavailable) != unavailable || contains(err, marker) {
			t.Errorf("SQLSTATE %s: error %v", state, err)
		}
	}
}

// TestCodes is the table of SQLite's codes.
func TestCodes(t *testing.T) {
	refused := []int{
		sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
		sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE,
	}
	damaged := []int{sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CORRUPT_INDEX, sqlite3.SQLITE_NOTADB}
	away := []int{
		sqlite3.SQLITE_ERROR, sqlite3.SQLITE_INTERNAL, sqlite3.SQLITE_PERM, sqlite3.SQLITE_ABORT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_WRITE,
		sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISUSE,
		sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH,
	}
	for _, code := range slices.Concat(refused, damaged, away) {
		err := classifySQLite(code)
		if errors.Is(err, ErrUnavailable) == slices.Contains(refused, code) || errors.Is(err, ErrDamaged) != slices.Contains(damaged, code) {
			t.Errorf("code %d: error %v", code, err)
		}
	}
}

// refused returns the error of writing what a database refuses, with the marker in every value.
func refused(ctx context.Context, l *Lifecycle, m *ReadModel) (lifecycle, readModel error) {
	rec := waitingRecord(marker, start)
	rec.State.Status = marker
	e := testEventRow(marker, 1, 1, 1)
	e.Data.Status, e.Data.CausationID = marker, marker
	return l.Update(ctx, func(tx *Tx) error { return tx.Save(ctx, rec, Dates{}) }), m.PutEvent(ctx, e)
}

func testErrorsQuoteNothing(t *testing.T, at place) {
	place := at(t)
	l, m := newLifecycle(t, place), newReadModel(t, place)
	ofLifecycle, ofReadModel := refused(t.Context(), l, m)
	_, damaged := m.db.write().exec(t.Context(), `INSERT INTO claims (id, sandbox, signal) VALUES ('d', $1, $2)`, false, `{"at":"`+marker+`"}`)
	must(t, damaged)
	_, damaged = m.Claims(t.Context(), "d", false)
	_, wrongType := m.db.read().one(t.Context(), []any{new(int)}, `SELECT signal FROM claims`)
	for name, err := range map[string]error{"lifecycle": ofLifecycle, "read model": ofReadModel, "damaged": damaged, "wrong type": wrongType} {
		if err == nil || errors.Is(err, ErrUnavailable) || contains(err, marker) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// testSpansQuoteNothing records the spans of successes and failures.
func testSpansQuoteNothing(t *testing.T, at place) {
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	place := at(t)
	l, m := newLifecycle(t, place), newReadModel(t, place)
	if got := spans.GetSpans(); len(got) != 0 {
		t.Errorf("there are %d spans outside of a trace, the first is %s", len(got), got[0].Name)
	}

	ctx, root := provider.Tracer("test").Start(t.Context(), "root")
	_, _ = refused(ctx, l, m)
	fine := testEventRow(marker, 1, 1, 1)
	must(t, m.PutEvent(ctx, fine))
	root.End()
	text, err := json.Marshal(tracetest.SpanStubsFromReadOnlySpans(spans.GetSpans().Snapshots()))
	must(t, err)
	if strings.Contains(string(text), marker) {
		t.Errorf("a value is in the spans: %s", text)
	}
	if !strings.Contains(string(text), "INSERT INTO verification_event") {
		t.Errorf("the statement is not in the spans: %s", text)
	}
}

// TestSQLiteUnavailable is about the ways in which a file is away.
func TestSQLiteUnavailable(t *testing.T) {
	full := func(t *testing.T, m *ReadModel, _ Location) {
		var pages int
		_, err := m.db.write().one(t.Context(), []any{&pages}, `PRAGMA max_page_count = 1`) // never below what is used
		must(t, err)
	}
	busy := func(t *testing.T, m *ReadModel, at Location) {
		_, err := m.db.write().one(t.Context(), []any{new(int)}, `PRAGMA busy_timeout = 0`)
		must(t, err)
		other := &database{}
		other.writer, err = other.connectSQLite(at.Dir+"/readmodel.db", readModelSchema)
		must(t, err)
		t.Cleanup(func() { check(t, other.close()) })
		tx, err := other.writer.BeginTx(context.WithoutCancel(t.Context()), nil) // immediate: it holds the file until it is rolled back
		must(t, err)
		t.Cleanup(func() { check(t, tx.Rollback()) })
	}
	for name, spoil := range map[string]func(*testing.T, *ReadModel, Location){"full": full, "busy": busy} {
		t.Run(name, func(t *testing.T) {
			at := sqlitePlace(t)
			m := newReadModel(t, at)
			spoil(t, m, at)
			var err error
			for i := 0; err == nil && i < 1000; i++ {
				e := testEventRow(fmt.Sprint("a", i), 1, uint64(i+1), uint64(i+1))
				err = m.PutEvent(t.Context(), e)
			}
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("error %v, want %v", err, ErrUnavailable)
			}
		})
	}
}

func TestURLShowsNothing(t *testing.T) {
	secret := URL("postgres://u:" + marker + "@db.example/verdict")
	at := Location{URL: secret}
	asJSON, err := json.Marshal(at)
	must(t, err)
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("at", "url", secret)
	for _, text := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %s %q %x", at, at, at, at, at, at), string(asJSON), logged.String(),
	} {
		if strings.Contains(text, marker) || strings.Contains(text, fmt.Sprintf("%x", marker)) {
			t.Errorf("the URL is shown: %s", text)
		}
	}
	broken := Location{URL: "postgres://u:" + marker + "@db.example:port/verdict"}
	if _, err := OpenReadModel(t.Context(), broken); err == nil || contains(err, marker) || contains(err, "db.example") {
		t.Errorf("a URL that is none: error %v", err)
	}
	absent := Location{URL: URL("postgres://u:" + marker + "@127.0.0.1:1/verdict")}
	if _, err := OpenReadModel(t.Context(), absent); !errors.Is(err, ErrUnavailable) || contains(err, marker) {
		t.Errorf("a server that is not there: error %v", err)
	}
}
