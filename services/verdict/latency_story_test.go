package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	// latencyRate is how many webhooks are posted a second.
	latencyRate = 100
	// latencyPause is between two questions for new rows, and so what the figures may be too high by.
	latencyPause = time.Millisecond
)

// BenchmarkPostToRow measures, at a steady rate, how long it takes from the POST of a webhook
// until the API shows its row. Run it for ten seconds and more: -benchtime 1000x is ten.
func BenchmarkPostToRow(b *testing.B) {
	in := startInstallation(b, allInOne)
	in.settings["VERDICT_LOG_LEVEL"] = "info"
	must(b, in.start())
	webhooks := make([]webhook, b.N)
	for i := range webhooks {
		w, err := newWebhook("idenfy", "id_verification_auto_finish.approved", "scanRef="+latencyReference(i))
		must(b, err)
		webhooks[i] = w
	}
	var posting, watching sync.WaitGroup
	rows, lost := map[string]time.Time{}, error(nil)
	watching.Go(func() { lost = in.watch(rows, b.N) })
	posted, failed := make([]time.Time, b.N), make([]error, b.N)
	ticker := time.NewTicker(time.Second / latencyRate)
	defer ticker.Stop()
	b.ResetTimer()
	for i, w := range webhooks {
		<-ticker.C
		posting.Go(func() {
			posted[i] = time.Now()
			if status, answer, err := in.post(w); err != nil || status != http.StatusOK {
				failed[i] = fmt.Errorf("answered with %d: %s: %w", status, answer, err)
			}
		})
	}
	posting.Wait()
	watching.Wait()
	b.StopTimer()
	must(b, errors.Join(append(failed, lost)...))
	took := make([]time.Duration, b.N)
	for i := range took {
		took[i] = rows[latencyReference(i)].Sub(posted[i])
	}
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), "ms-p50")
	b.ReportMetric(milliseconds(took[len(took)*99/100]), "ms-p99")
	must(b, in.stop())
}

func latencyReference(i int) string { return fmt.Sprintf("latency-%d", i) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// watch asks for new rows until there are so many, and notes when each was first seen.
func (in *installation) watch(seen map[string]time.Time, count int) error {
	since := time.Now().Add(-time.Minute)
	for last := time.Now(); len(seen) < count; time.Sleep(latencyPause) {
		if time.Since(last) > deadline {
			return fmt.Errorf("%d of %d rows were seen", len(seen), count)
		}
		body, err := in.api("/v1/verifications?limit=500&updated_since=" + url.QueryEscape(since.Format(time.RFC3339Nano)))
		if err != nil {
			return err
		}
		now := time.Now()
		var page struct {
			Data []struct {
				Reference string
				UpdatedAt time.Time `json:"updated_at"`
			}
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		for _, r := range page.Data {
			if _, known := seen[r.Reference]; !known {
				seen[r.Reference], last, since = now, now, r.UpdatedAt
			}
		}
	}
	return nil
}
