package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// BenchmarkUpdate is one delivery's transaction: a verification is read and saved, and an event is appended. The baseline
// writes as many bytes to a file and syncs it.
func BenchmarkUpdate(b *testing.B) {
	benchmarkUpdate(b, func(b *testing.B) Location { return Location{Dir: b.TempDir()} })
}

func benchmarkUpdate(b *testing.B, at func(*testing.B) Location) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l, err := OpenLifecycle(b.Context(), at(b), testProvider)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			b.ResetTimer()
			inParallel(b, callers, func(i int64) error {
				return l.Update(b.Context(), func(tx *Tx) error { return deliver(b.Context(), tx, i) })
			})
			b.StopTimer()
		})
	}
	b.Run("by=fsync", func(b *testing.B) {
		file, err := os.Create(filepath.Join(b.TempDir(), "log"))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		entry := make([]byte, 8<<10) // two pages
		b.ResetTimer()
		inParallel(b, 1, func(int64) error {
			if _, err := file.Write(entry); err != nil {
				return err
			}
			return file.Sync()
		})
		b.StopTimer()
	})
}

// deliver is the i-th delivery; three are about one verification.
func deliver(ctx context.Context, tx *Tx, i int64) error {
	id := verification.NewID(testProvider, "identity_document", fmt.Sprintf("case-%08d", i/3))
	rec, err := tx.Record(ctx, id, false)
	if err != nil {
		return err
	}
	rec.Version++
	rec.State = waitingRecord("", start).State
	rec.Signals = append(rec.Signals, verification.Entry{Version: rec.Version, Signal: verification.Signal{
		ID: fmt.Sprintf("%064d#0", i), Seq: uint64(i), At: start, ReceivedAt: start, Delivery: fmt.Sprintf("yousign:%036d:%016d", i, i),
		Event: "identity_document.done", Says: "approved", Status: verification.Approved, Applicant: "a-person", Decoder: 1,
	}})
	if err := tx.Save(ctx, rec, Dates{}); err != nil {
		return err
	}
	return tx.Append(ctx, OutboxRow{
		Lane: "KYC_VERIFICATIONS", EventID: fmt.Sprintf("%s@%d", id, rec.Version), Subject: "kyc.v1.yousign.identity_document.approved",
		Header: map[string][]string{"ce-id": {id.String()}, "ce-source": {"/verdict/test/lifecycle/yousign"}, "ce-type": {"kyc.v1.verification.approved"}},
		Data:   make([]byte, 1<<10),
	})
}

// inParallel does b.N calls, by so many callers.
func inParallel(b *testing.B, callers int, call func(i int64) error) {
	b.Helper()
	before := cpu(b)
	defer func() { b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op") }()
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := call(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// cpu is the time that this process has worked, in nanoseconds.
func cpu(b *testing.B) int64 {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}
