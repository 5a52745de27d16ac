package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// bodyBytes is a webhook's sealed body with its headers, as large as they usually are.
const bodyBytes = 2200

// BenchmarkAppend tells what an entry costs with that many waiting at a time, and beside it what
// one write and one sync of as many bytes cost on the same disk.
func BenchmarkAppend(b *testing.B) {
	b.Run("bare-write-and-sync", func(b *testing.B) {
		file, err := os.Create(filepath.Join(b.TempDir(), "bare"))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		if err := preallocate(file, segmentBytes); err != nil {
			b.Fatal(err)
		}
		body := make([]byte, bodyBytes)
		for i := int64(0); b.Loop(); i++ {
			if _, err := file.WriteAt(body, i%(segmentBytes/bodyBytes)*bodyBytes); err != nil {
				b.Fatal(err)
			}
			if err := syncData(file); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, callers := range []int{1, 64, 256, 1000} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := openSpool(b, b.TempDir(), Limits{}, sizing{segment: segmentBytes, recent: recentBytes})
			e := Entry{
				Subject: "kyc.webhook.provider.event", Key: "provider:id:0123456789abcdef", At: time.Now(), Data: make([]byte, bodyBytes),
				Header: map[string][]string{"ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"}, "ce-time": {"t"}},
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.SetBytes(bodyBytes)
			b.ReportAllocs()
			b.ResetTimer()
			done := make(chan struct{})
			for range callers {
				go func() {
					defer func() { done <- struct{}{} }()
					for left.Add(-1) >= 0 {
						if err := s.Append(b.Context(), e); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			// The relay keeps up, as it should: a spool that nobody trims grows.
			for ended := 0; ended < callers; {
				select {
				case <-done:
					ended++
				default:
					if last := s.Last(); last > s.Position().Index+groupEntries {
						if err := s.Trim(Position{Index: last}); err != nil {
							b.Fatal(err)
						}
					}
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
}
