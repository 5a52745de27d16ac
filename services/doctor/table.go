package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// table compares the read model with what the streams told.
func (e *examination) table(ctx context.Context) error {
	if e.model == nil {
		return nil
	}
	c := e.checks[ReadModel]
	for _, do := range []func(context.Context) error{e.tableOutcomes, e.tableHeld, e.tableVerifications, e.tableColumns, e.tableTimelines} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	if c.count > 0 {
		c.advise("make the read model anew, unless it is the streams that have lost something: verdict rebuild readmodel --accept")
	}
	return nil
}

// tableOutcomes compares the outcomes of the deliveries.
func (e *examination) tableOutcomes(ctx context.Context) error {
	c := e.checks[ReadModel]
	err := e.model.Outcomes(ctx, bus.Webhooks, e.webhooks.FirstSeq, e.webhooks.LastSeq, func(seq uint64, outcome string) error {
		b := e.endings.at(seq)
		if b == nil || *b&keptBit == 0 {
			return nil
		}
		*b |= listedBit
		c.looked++
		may, must := ranksOf(*b)
		row, ok := rankOf(outcome)
		// The table itself says so of what has waited until it could be read no more.
		expired := outcome == store.OutcomeExpired && must < row
		if !ok || row < must || row > may && !expired {
			if outcome == "" {
				outcome = "none"
			}
			want := may.String()
			c.find(fmt.Sprint("outcome ", seq), "delivery %d has the outcome %s in the table, the streams say %s", seq, outcome, want)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, b := range e.endings.bytes {
		seq := e.endings.first + uint64(i)
		if b&keptBit != 0 && b&listedBit == 0 && seq <= e.held[bus.Webhooks].Sequence {
			c.find(fmt.Sprint("delivery ", seq), "delivery %d is not in the table", seq)
		}
	}
	return nil
}

// tableHeld looks for held deliveries that the table does not have. What was decided meanwhile stays in it.
func (e *examination) tableHeld(ctx context.Context) error {
	c := e.checks[ReadModel]
	through := e.held[bus.Held].Sequence
	missing := map[uint64]bool{}
	_, err := e.Bus.ReadHeaders(ctx, bus.Held, "kyc.held.>", 1, func(m bus.Stored) error {
		if m.Seq <= through {
			c.looked++
			missing[m.Seq] = true
		}
		return nil
	})
	if err != nil {
		return wrap("read held deliveries", err)
	}
	err = e.model.Outcomes(ctx, bus.Held, 1, through, func(seq uint64, _ string) error {
		delete(missing, seq)
		return nil
	})
	for _, seq := range slices.Sorted(maps.Keys(missing)) {
		c.find(fmt.Sprint("held ", seq), "held delivery %d is not in the table", seq)
	}
	return err
}

// tableColumns looks for verifications that lists and counts take for something else than they are.
func (e *examination) tableColumns(ctx context.Context) error {
	return e.model.Misfiled(ctx, func(key store.RecordKey, columns []string) error {
		id := name(key.ID, key.Sandbox)
		e.checks[ReadModel].find("columns "+id, "%s is listed with another %s than it has", id, strings.Join(columns, ", "))
		return nil
	})
}

// tableVerifications compares the current state of every verification with its newest event.
func (e *examination) tableVerifications(ctx context.Context) error {
	c := e.checks[ReadModel]
	var matched uint64
	err := e.model.Everything(ctx, func(page []store.VerificationRow) error {
		keys := make([]string, len(page))
		for i := range page {
			keys[i] = name(page[i].Data.ID, page[i].Sandbox)
		}
		newest, err := e.notes.Find(ctx, keys)
		if err != nil {
			return err
		}
		for i := range page {
			c.looked++
			k, told := newest[keys[i]]
			if told {
				matched++
			}
			if err := e.row(keys[i], &page[i], k, told); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	total, err := e.notes.Count(ctx)
	if err != nil || matched == total {
		return err
	}
	return e.notes.Each(ctx, func(k store.Known) error {
		id, sandbox := split(k.Key)
		_, err := e.model.Verification(ctx, id, sandbox)
		if errors.Is(err, store.ErrNotFound) {
			if k.Sequence <= e.held[streamOf(sandbox)].Sequence {
				c.find(k.Key, "%s is not in the table, its stream has version %d in message %d", k.Key, k.Version, k.Sequence)
			}
			return nil
		}
		return err
	})
}

// row compares one row of the table with the newest event that was read.
func (e *examination) row(key string, row *store.VerificationRow, k store.Known, told bool) error {
	c := e.checks[ReadModel]
	stream := streamOf(row.Sandbox)
	switch {
	case row.Sequence > e.read[stream].last:
		// It has moved on since.
	case !told:
		if e.read[stream].whole {
			c.find(key, "%s is in the table and in no stream", key)
		}
	case row.Sequence > k.Sequence:
		c.find(key, "%s is in the table with version %d of message %d, its stream has version %d in message %d", key, row.Data.Version, row.Sequence, k.Version, k.Sequence)
	case row.Sequence < k.Sequence:
		if k.Sequence <= e.held[stream].Sequence {
			c.find(key, "%s has version %d of message %d in the table, its stream has version %d in message %d", key, row.Data.Version, row.Sequence, k.Version, k.Sequence)
		}
	default:
		digest, err := digestOf(&row.Data)
		if err != nil {
			return err
		}
		if !bytes.Equal(digest, k.Digest) {
			c.find(key, "%s is not in the table what message %d of %s says", key, k.Sequence, stream)
		}
	}
	return nil
}

// tableTimelines counts the events of the timelines, and compares what they say where it can be: all of them, or none, were read from the stream.
func (e *examination) tableTimelines(ctx context.Context) error {
	c := e.checks[ReadModel]
	for _, sandbox := range []bool{false, true} {
		stream := streamOf(sandbox)
		s := e.read[stream]
		through := min(s.last, e.held[stream].Sequence)
		if through < s.first {
			continue
		}
		n, err := e.model.CountEvents(ctx, sandbox, s.first, through)
		if err != nil {
			return err
		}
		if n < s.count || n > s.count && s.whole {
			c.find("timeline "+stream, "the timelines have %d events of %s through message %d, the stream has %d", n, stream, through, s.count)
			continue
		}
		if n != s.count {
			continue
		}
		var say sum
		err = e.model.EachEvent(ctx, sandbox, s.first, through, func(data *event.Verification) error {
			digest, err := digestOf(data)
			say.add(digest)
			return err
		})
		if err != nil {
			return err
		}
		if say != s.sum {
			c.find("timeline "+stream, "the timelines have something else in an event of %s through message %d than the stream", stream, through)
		}
	}
	return nil
}

func streamOf(sandbox bool) string {
	if sandbox {
		return bus.Sandbox
	}
	return bus.Verifications
}

// split is the reverse of name.
func split(key string) (id string, sandbox bool) { return strings.CutPrefix(key, "sandbox ") }
