package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// DeliveryFilter chooses deliveries. An empty field chooses all.
type DeliveryFilter struct {
	Provider string
	Outcome  string // one of Outcomes, or OutcomePending
	Cause    string
	Since    time.Time      // received at this time or later, or where that is not known, ended
	After    DeliveryCursor // the Next of the page before
	Limit    int            // of one page, at least 1
}

// DeliveryPage is a part of what a filter chooses, by time of receipt. A delivery of which only the outcome is known stands where that
// became known.
type DeliveryPage struct {
	Rows []Delivery
	Next DeliveryCursor // the After of the next page; zero where there is none
}

// DeliveryCursor is a place between two pages. The zero value is before the first.
type DeliveryCursor struct {
	listed   int64
	stream   string
	sequence uint64
}

// IsZero reports whether the cursor is before the first page, or after the last.
func (c DeliveryCursor) IsZero() bool { return c == DeliveryCursor{} }

// cursorText is what stands in the text of a cursor.
type cursorText struct {
	Listed   int64  `json:"t"`
	Stream   string `json:"s"`
	Sequence uint64 `json:"n"`
}

// String returns the text that ParseDeliveryCursor reads; empty for the zero value.
func (c DeliveryCursor) String() string {
	if c.IsZero() {
		return ""
	}
	text, _ := json.Marshal(cursorText{c.listed, c.stream, c.sequence}) // of numbers and a string: cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

var errCursor = errors.New("not a cursor")

// ParseDeliveryCursor reads the text of a cursor, which may come from outside.
func ParseDeliveryCursor(text string) (DeliveryCursor, error) {
	if text == "" {
		return DeliveryCursor{}, nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return DeliveryCursor{}, errCursor
	}
	var c cursorText
	if err := decode(string(plain), &c); err != nil || int64(c.Sequence) < 0 || reference(c.Stream) != c.Stream {
		return DeliveryCursor{}, errCursor
	}
	return DeliveryCursor{c.Listed, c.Stream, c.Sequence}, nil
}

// Deliveries returns a page of what the filter chooses.
func (m *ReadModel) Deliveries(ctx context.Context, f DeliveryFilter) (DeliveryPage, error) {
	if f.Limit < 1 {
		return DeliveryPage{}, wrap("list deliveries", errLimit)
	}
	query, args, err := m.queryDeliveries(ctx, f)
	if err != nil {
		return DeliveryPage{}, wrap("list deliveries", err)
	}
	rows, err := list(ctx, m.db.read(), scanDelivery, query, args...)
	if err != nil {
		return DeliveryPage{}, wrap("list deliveries", err)
	}
	var result DeliveryPage
	var more bool
	if result.Rows, more = page(rows, f.Limit); more {
		last := result.Rows[f.Limit-1]
		result.Next = DeliveryCursor{last.listedAt(), last.Stream, last.Sequence}
	}
	return result, nil
}

const (
	selectDelivery       = `SELECT ` + deliveryColumns + ` FROM delivery`
	nextDeliveryProvider = `SELECT provider FROM delivery WHERE provider > $1 ORDER BY provider LIMIT 1`
)

// queryDeliveries returns the statement for one page and one row more. What is of some providers or outcomes is merged from what the index
// holds in order of each provider and outcome.
func (m *ReadModel) queryDeliveries(ctx context.Context, f DeliveryFilter) (string, []any, error) {
	providers := []string{reference(f.Provider)}
	if f.Provider == "" && f.Outcome != "" && f.Cause == "" {
		var err error
		if providers, err = m.deliveryProviders(ctx); err != nil {
			return "", nil, err
		}
	}
	query, args := f.query(providers)
	return query, args, nil
}

// deliveryProviders are those that deliveries have, found by a step of the index each, and that of deliveries whose provider is not known.
func (m *ReadModel) deliveryProviders(ctx context.Context) ([]string, error) {
	providers := []string{""}
	for at := ""; ; providers = append(providers, at) {
		found, err := m.db.read().one(ctx, []any{&at}, nextDeliveryProvider, at)
		if err != nil || !found {
			return providers, err
		}
	}
}

func (f DeliveryFilter) query(providers []string) (string, []any) {
	var w where
	w.add("listed_at >= %s", max(optional(f.Since), f.After.listed))
	if !f.After.IsZero() {
		w.args = append(w.args, f.After.listed, f.After.stream, int64(f.After.sequence))
		n := len(w.args)
		w.terms = append(w.terms, "(listed_at, stream, sequence) > ("+w.param(n-2)+", "+w.param(n-1)+", "+w.param(n)+")")
	}
	parts := []string{selectDelivery + w.String()}
	if f.Cause != "" {
		// Few have one; the other columns are kept from being tempting.
		w.terms = append(w.terms, "cause <> ''")
		w.equal("cause", f.Cause)
		w.equal("COALESCE(provider, '')", f.Provider)
		if f.Outcome != "" {
			w.add("COALESCE(outcome, '') = %s", f.outcomes()[0])
		}
		parts = []string{selectDelivery + w.String()}
	} else if f.Provider != "" || f.Outcome != "" {
		parts = f.queryGroups(&w, providers)
	}
	return strings.Join(parts, " UNION ALL ") + " ORDER BY listed_at, stream, sequence" + w.limit(f.Limit), w.args
}

// queryGroups returns a statement for each provider and outcome.
func (f DeliveryFilter) queryGroups(w *where, providers []string) (parts []string) {
	common := slices.Clone(w.terms)
	for _, provider := range providers {
		of := append(slices.Clone(common), w.bind("provider = %s", provider))
		for _, outcome := range f.outcomes() {
			w.terms = append(slices.Clone(of), w.bind("outcome = %s", outcome))
			parts = append(parts, selectDelivery+w.String())
		}
	}
	return parts
}

// outcomes are those that the filter chooses, as they are stored.
func (f DeliveryFilter) outcomes() []string {
	switch f.Outcome {
	case "":
		return append([]string{""}, Outcomes...)
	case OutcomePending:
		return []string{""}
	default:
		return []string{reference(f.Outcome)}
	}
}

// optional is micros, and 0 for the zero time.
func optional(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return micros(t)
}
