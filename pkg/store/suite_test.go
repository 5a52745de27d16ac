package store

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// afterTests ends what tests have started for all of them.
var afterTests []func() error

func TestMain(m *testing.M) {
	// Every run of a property fills tables of a real database; -rapid.checks on the command line counts.
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, end := range afterTests {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// place makes a place for new databases.
type place func(t *testing.T) Location

func sqlitePlace(t *testing.T) Location { return Location{Dir: t.TempDir()} }

func TestSQLite(t *testing.T) { suite(t, sqlitePlace) }

// suite is what both databases must do.
func suite(t *testing.T, at place) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, at place)
	}{
		{"record", testRecord},
		{"records of providers", testRecordsOfProviders},
		{"dates", testDates},
		{"reschedule", testReschedule},
		{"reschedule begins again", testRescheduleAgain},
		{"owner", testOwner},
		{"sightings of decoders", testSightingsOfDecoders},
		{"beside", testBeside},
		{"reader writes nothing", testReaderWritesNothing},
		{"draft", testDraft},
		{"payload", testPayload},
		{"update is all or nothing", testUpdateAllOrNothing},
		{"updates take turns", testUpdatesTakeTurns},
		{"a failure is that of one caller", testFailureIsOfOne},
		{"all callers fail", testAllFail},
		{"a panic is that of one caller", testPanicIsOfOne},
		{"a caller leaves", testCallerLeaves},
		{"callers share, fail and leave", testManyCallers},
		{"no transaction for anybody", testNoTransaction},
		{"outbox", testOutbox},
		{"outbox keeps events apart", testOutboxEvents},
		{"outbox hands over and reads", testRecent},
		{"published", testPublished},
		{"position", testPosition},
		{"reset", testReset},
		{"status list", testStatusList},
		{"event", testEvent},
		{"first event", testFirstEvent},
		{"latest event stands", testLatestEventStands},
		{"odd references", testOddReferences},
		{"unknown values", testUnknownValues},
		{"delivery", testDelivery},
		{"outcome precedence", testOutcomePrecedence},
		{"expire unprocessed", testExpireUnprocessed},
		{"claims", testClaims},
		{"claims destroyed", testClaimsDestroyed},
		{"progress", testProgress},
		{"list verifications", testListVerifications},
		{"pages of verifications", testVerificationPages},
		{"pages wait for what is missing", testWalkWaits},
		{"pages miss nothing", testWalkMissesNothing},
		{"timeline", testTimeline},
		{"timeline waits for what is missing", testTimelineWaits},
		{"timeline filters", testTimelineFilters},
		{"applicant", testApplicant},
		{"list deliveries", testListDeliveries},
		{"deliveries known by their outcome", testOutcomeOnlyListed},
		{"pages of deliveries", testDeliveryPages},
		{"forget", testForget},
		{"forget is all or nothing", testForgetTogether},
		{"prune refusals", testPruneRefusals},
		{"stats", testStats},
		{"bulk gives the same tables", testBulkIsTheSame},
		{"rebuild", testRebuild},
		{"rebuild leaves no trace", testRebuildLeavesNoTrace},
		{"rebuild kept", testRebuildKept},
		{"claims across the switch", testClaimsAcrossTheSwitch},
		{"missing", testMissing},
		{"carried over is what no stream gives", testCarryIsWhatNoStreamGives},
		{"carried over as it was written", testCarryKeepsTheText},
		{"forget after a snapshot", testForgetAfterSnapshot},
		{"inspect", testInspect},
		{"rebind", testRebind},
		{"rebind nothing", testRebindNothing},
		{"any order gives the same tables", testAnyOrder},
		{"batches in any order", testBulkInAnyOrder},
		{"concurrent writers lose nothing", testConcurrentWriters},
		{"reopen", testReopen},
		{"newer schema", testNewerSchema},
		{"reader waits for the tables", testReaderWaits},
		{"reader gives up", testReaderGivesUp},
		{"reader cannot write", testReaderCannotWrite},
		{"closed", testClosed},
		{"ended context", testEndedContext},
		{"what is unavailable", testWhatIsUnavailable},
		{"errors quote nothing", testErrorsQuoteNothing},
		{"spans quote nothing", testSpansQuoteNothing},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, at) })
	}
}

// testProvider is whose lifecycle the tests keep.
const testProvider = "yousign"

// start is when the tests take place; it has digits that are not stored.
var start = time.Date(2026, 3, 4, 5, 6, 7, 8_009_010, time.UTC)

// stored is a time as the database gives it back.
func stored(t time.Time) time.Time { return t.Truncate(time.Microsecond) }

func newLifecycle(t *testing.T, at Location) *Lifecycle {
	t.Helper()
	l, err := OpenLifecycle(t.Context(), at, testProvider)
	must(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	return l
}

func newReadModel(t *testing.T, at Location) *ReadModel {
	t.Helper()
	m, err := OpenReadModel(t.Context(), at)
	must(t, err)
	t.Cleanup(func() { check(t, m.Close()) })
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

var lifecycleTables = []string{"lifecycle_record", "lifecycle_owner", "lifecycle_outbox", "lifecycle_position", "lifecycle_schedule"}

var readModelTables = []string{
	"verification", "verification_event", "unknown_value", "delivery", "claims", "progress",
}

// fataler is a test, or one run of a property.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// dump returns all rows of the tables as text, sorted.
func dump(t fataler, db *database, tables ...string) []string {
	t.Helper()
	var all []string
	for _, table := range tables {
		lines, err := dumpTable(db, table)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lines...)
	}
	slices.Sort(all)
	return all
}

func dumpTable(db *database, table string) ([]string, error) {
	rows, err := db.write().on.QueryContext(context.Background(), "SELECT * FROM "+table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var lines []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		line := table
		for i, value := range values {
			line += fmt.Sprintf(" %s=%q", columns[i], fmt.Sprint(value))
		}
		lines = append(lines, line)
	}
	return lines, rows.Err()
}
