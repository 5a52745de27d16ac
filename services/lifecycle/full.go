package lifecycle

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// fullError tells which records cannot take the signals of a delivery.
type fullError struct {
	records []string
	cause   error
}

func (e *fullError) Error() string { return strings.Join(e.records, ", ") + ": " + e.cause.Error() }

func (e *fullError) Unwrap() error { return e.cause }

// leaveOut notes that a record cannot take a signal: the transaction will not be written.
func (c *change) leaveOut(record string, cause error) {
	if c.full == nil {
		c.full = &fullError{cause: cause}
	}
	if !slices.Contains(c.full.records, record) {
		c.full.records = append(c.full.records, record)
	}
}

// apply adds the signals of one delivery to their verifications and writes states and events
// in one transaction. Those of a verification that cannot take them all are left out. Errors
// are those of store.Lifecycle.Update.
func (w *worker) apply(ctx context.Context, d delivery, signals []told) (*result, error) {
	res, err := w.applyAll(ctx, d, signals)
	var full *fullError
	if !errors.As(err, &full) {
		return res, err
	}
	rest := slices.DeleteFunc(slices.Clone(signals), func(t told) bool { return slices.Contains(full.records, t.record()) })
	if res, err = w.apply(ctx, d, rest); err != nil {
		return nil, err
	}
	res.full = errors.Join(full, res.full)
	return res, nil
}
