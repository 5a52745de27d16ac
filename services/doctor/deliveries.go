package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/seal"
)

// waiting is what a provider's deliveries wait for.
type waiting struct {
	count uint64
	since time.Time
}

// sealKeyHeader names the key that seals a delivery.
const sealKeyHeader = "ce-sealkey"

// deliveries reads what is known of every delivery that is kept, without its body, and looks whether it has ended.
func (e *examination) deliveries(ctx context.Context) error {
	wait := map[string]*waiting{}
	seen := map[string]bool{}
	var n uint64
	_, err := e.Bus.ReadHeaders(ctx, bus.Webhooks, "kyc.webhook.>", 1, func(m bus.Stored) error {
		if n++; n%progressStep == 0 {
			e.progress(bus.Webhooks, n, e.webhooks.Messages)
		}
		if e.wants(Keys) {
			if err := e.sealed(ctx, m, seen); err != nil {
				return err
			}
		}
		if m.Seq > e.webhooks.LastSeq || !e.wants(Deliveries, ReadModel) {
			return nil
		}
		e.endings.mark(m.Seq, keptBit)
		e.ended(m, wait)
		return nil
	})
	if err != nil {
		return wrap("read deliveries", err)
	}
	c := e.checks[Deliveries]
	for _, name := range slices.Sorted(maps.Keys(wait)) {
		w := wait[name]
		c.note("%d of %s wait to be processed, the oldest since %s", w.count, name, w.since.UTC().Format(time.RFC3339))
		if e.now.Sub(w.since) > e.Retention(name)/2 {
			c.find("waiting "+name, "%d of %s wait, the oldest since %s: half of their retention is over", w.count, name, w.since.UTC().Format(time.RFC3339))
			c.advise("see to it that `verdict lifecycle` runs and why it cannot work, before the bodies expire")
		}
	}
	return nil
}

// ended looks how one delivery has ended.
func (e *examination) ended(m bus.Stored, wait map[string]*waiting) {
	c := e.checks[Deliveries]
	c.looked++
	b := e.endings.at(m.Seq)
	if b == nil {
		return
	}
	if may, _ := ranksOf(*b); may > 0 {
		return
	}
	name := providerOf(m.Subject)
	floor, ours := e.floors[name]
	switch {
	case !ours:
		c.find("provider "+name, "deliveries of %s wait, which this program does not know", name)
		c.advise("run the version of verdict that knows the provider")
	case m.Seq > floor.Seq:
		w := wait[name]
		if w == nil {
			w = &waiting{since: m.Time}
			wait[name] = w
		}
		w.count++
	default:
		c.find(fmt.Sprint(m.Seq), "delivery %d, %s, was done and has left neither event, outcome nor dead letter", m.Seq, idOf(m))
		c.advise("process them once more: verdict reprocess run --provider %[1]s; or, where it has nothing to change, verdict rebuild state --provider %[1]s --accept", name)
	}
}

// sealed looks whether the key of a delivery is there, once for each key.
func (e *examination) sealed(ctx context.Context, m bus.Stored, seen map[string]bool) error {
	key := first(m.Header[sealKeyHeader])
	if e.Keys == nil && !e.NoKeyDir || key == "" || seen[key] {
		return nil
	}
	seen[key] = true
	c := e.checks[Keys]
	c.looked++
	if e.NoKeyDir {
		if !seal.Expired(key, e.Retention(providerOf(m.Subject)), e.now) {
			c.find("missing "+key, "key %s is missing, and its time is not over: there is no key directory at %s", key, e.KeyDir)
			c.advise("mount the key directory, or name it with --key-dir")
		}
		return nil
	}
	whole, err := e.Bus.Get(ctx, m.Stream, m.Seq)
	if errors.Is(err, bus.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = e.Keys.Open(key, idOf(whole), whole.Data)
	switch {
	case err == nil:
	case errors.Is(err, seal.ErrKeyDestroyed) && seal.Expired(key, e.Retention(providerOf(m.Subject)), e.now):
	case errors.Is(err, seal.ErrKeyDestroyed):
		c.find("missing "+key, "key %s is missing, and its time is not over: what it sealed cannot be read, such as message %d of %s", key, m.Seq, m.Stream)
		c.advise("mount the right key directory: %s is not it, or was damaged", e.KeyDir)
	default:
		c.find("damaged "+key, "message %d of %s does not open with key %s: %v", m.Seq, m.Stream, key, err)
		c.advise("put the key directory in order; a body that is damaged is lost")
	}
	return nil
}

// idOf is the id that a delivery's body is sealed for.
func idOf(m bus.Stored) string { return first(m.Header["ce-id"]) }

// providerOf is the provider that a delivery's subject names.
func providerOf(subject string) string {
	tokens := strings.Split(subject, ".")
	if len(tokens) < 3 {
		return ""
	}
	return tokens[2]
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
