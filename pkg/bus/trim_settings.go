package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Difference is a setting of a stream that is not what it should be.
type Difference struct {
	Stream, Setting string
	Want, Have      string
}

// CompareStreams returns what EnsureStreams would change: streams that are missing, and settings that differ. Errors: ErrUnavailable.
func (b *Bus) CompareStreams(ctx context.Context, settings StreamSettings) ([]Difference, error) {
	var found []Difference
	for _, want := range definitions(settings) {
		want.Storage, want.Replicas, want.Duplicates = jetstream.FileStorage, settings.Replicas, settings.DeduplicationWindow
		info, err := b.streamInfo(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			found = append(found, Difference{Stream: want.Name, Setting: "existence", Want: "a stream", Have: "none"})
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, compareStream(&want, &info.Config)...)
	}
	return found, nil
}

func compareStream(want, have *jetstream.StreamConfig) []Difference {
	var found []Difference
	compare := func(setting string, want, have any) {
		if want != have {
			found = append(found, Difference{Setting: setting, Want: fmt.Sprint(want), Have: fmt.Sprint(have)})
		}
	}
	slices.Sort(want.Subjects)
	haveSubjects := slices.Sorted(slices.Values(have.Subjects))
	compare("subjects", fmt.Sprint(want.Subjects), fmt.Sprint(haveSubjects))
	compare("storage", want.Storage, have.Storage)
	compare("retention policy", want.Retention, have.Retention)
	compare("discard policy", want.Discard, have.Discard)
	compare("maximal age", want.MaxAge, have.MaxAge)
	compare("maximal bytes", unlimited(want.MaxBytes), unlimited(have.MaxBytes))
	compare("maximal messages", unlimited(want.MaxMsgs), unlimited(have.MaxMsgs))
	compare("maximal messages of a subject", unlimited(want.MaxMsgsPerSubject), unlimited(have.MaxMsgsPerSubject))
	compare("deduplication window", want.Duplicates, have.Duplicates)
	compare("replicas", max(want.Replicas, 1), max(have.Replicas, 1))
	compare("atomic batches", want.AllowAtomicPublish, have.AllowAtomicPublish)
	compare("deletion of messages forbidden", want.DenyDelete, have.DenyDelete)
	for i := range found {
		found[i].Stream = want.Name
	}
	return found
}

// unlimited has one number for no limit.
func unlimited(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}
