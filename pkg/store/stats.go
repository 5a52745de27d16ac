package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Stats is what the read model holds, in numbers.
type Stats struct {
	Verifications []VerificationCount
	Deliveries    []DeliveryCount
	Progress      []Progress
	Open          []OpenSince
	Unknown       []UnknownCount
}

// VerificationCount is how many verifications have a status.
type VerificationCount struct {
	Provider, Kind string
	Status         verification.Status
	Sandbox        bool
	Count          int
}

// DeliveryCount is how many deliveries have an outcome, OutcomePending included.
type DeliveryCount struct {
	Provider, Outcome string
	Count             int
}

// OpenSince is when the first event came of the oldest verification of a provider that is not final, sandbox left out.
type OpenSince struct {
	Provider string
	Since    time.Time
}

// UnknownCount is how many signals had a value in a field that the decoder did not know.
type UnknownCount struct {
	Provider, Field string
	Count           int
}

// Stats counts. The numbers are not all of one moment.
func (m *ReadModel) Stats(ctx context.Context) (Stats, error) {
	var st Stats
	var err error
	for _, read := range []func() error{
		func() error { st.Verifications, err = m.countVerifications(ctx); return err },
		func() error { st.Deliveries, err = m.countDeliveries(ctx); return err },
		func() error { st.Progress, err = m.allProgress(ctx); return err },
		func() error { st.Open, err = m.openSince(ctx); return err },
		func() error { st.Unknown, err = m.countUnknown(ctx); return err },
	} {
		if err := read(); err != nil {
			return Stats{}, wrap("read stats", err)
		}
	}
	return st, nil
}

const (
	// In the order of the index, which has the scope too.
	countVerifications = `SELECT provider, kind, status, sandbox, count(*) FROM verification
		GROUP BY sandbox, scope, provider, kind, status ORDER BY sandbox, scope, provider, kind, status`
	countDeliveries = `SELECT provider, outcome, count(*) FROM delivery
		GROUP BY provider, outcome ORDER BY provider, outcome`
	openSince = `SELECT v.provider, min(e.stored_at) FROM verification v
		JOIN verification_event e ON e.id = v.id AND e.sandbox = v.sandbox AND e.version = 1
		WHERE NOT v.final AND v.sandbox = $1 GROUP BY v.provider ORDER BY v.provider`
	countUnknown = `SELECT provider, field, count(*) FROM unknown_value GROUP BY provider, field ORDER BY provider, field`
)

func (m *ReadModel) countVerifications(ctx context.Context) ([]VerificationCount, error) {
	counts, err := list(ctx, m.db.read(), func(scan scanner) (c VerificationCount, err error) {
		err = scan(&c.Provider, &c.Kind, &c.Status, &c.Sandbox, &c.Count)
		return c, err
	}, countVerifications)
	slices.SortStableFunc(counts, func(a, b VerificationCount) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Status, b.Status))
	})
	return counts, err
}

func (m *ReadModel) countDeliveries(ctx context.Context) ([]DeliveryCount, error) {
	return list(ctx, m.db.read(), func(scan scanner) (c DeliveryCount, err error) {
		err = scan(&c.Provider, &c.Outcome, &c.Count)
		if c.Outcome == "" {
			c.Outcome = OutcomePending
		}
		return c, err
	}, countDeliveries)
}

func (m *ReadModel) openSince(ctx context.Context) ([]OpenSince, error) {
	return list(ctx, m.db.read(), func(scan scanner) (o OpenSince, err error) {
		var since int64
		err = scan(&o.Provider, &since)
		o.Since = instant(since)
		return o, err
	}, openSince, false)
}

func (m *ReadModel) countUnknown(ctx context.Context) ([]UnknownCount, error) {
	return list(ctx, m.db.read(), func(scan scanner) (c UnknownCount, err error) {
		err = scan(&c.Provider, &c.Field, &c.Count)
		return c, err
	}, countUnknown)
}
