package lifecycle

import (
	"context"
	"errors"
	"slices"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// result is what a delivery came to.
type result struct {
	// applied means that the delivery has made an event, now or when it was handled before.
	applied       bool
	changes       []verification.Change
	anomalies     []string
	verifications []string
	unknown       []string
	// full is why elements of the delivery were left out; nil where none were.
	full  error
	lanes []bool // whether the sandbox, production or both are touched
}

// applyAll is apply for signals of which none is left out. It returns a fullError, with nothing
// changed, where one cannot be taken.
func (w *worker) applyAll(ctx context.Context, d delivery, signals []told) (*result, error) {
	var res *result
	err := w.state.Update(ctx, func(tx *store.Tx) error {
		c := w.change(tx, d.Traceparent)
		for i := range signals {
			t := signals[i] // the transaction may run again
			if err := c.signal(ctx, &t); err != nil {
				return err
			}
		}
		if c.full != nil {
			return c.full
		}
		res = &c.result
		return c.save(ctx)
	})
	return res, err
}

// ledger is what a transaction reads and writes: the state itself, or a draft in front of it.
type ledger interface {
	Record(ctx context.Context, id verification.ID, sandbox bool) (*verification.Record, error)
	Save(ctx context.Context, r *verification.Record, dates store.Dates) error
	Append(ctx context.Context, rows ...store.OutboxRow) error
	Payload(ctx context.Context, signal string) (store.Payload, error)
	Owner(ctx context.Context, signal string) (store.Owner, bool, error)
	SetOwner(ctx context.Context, signal string, owner store.Owner) error
	DropOwner(ctx context.Context, signal string) error
	AddSighting(ctx context.Context, signal string, s store.Sighting) error
}

var (
	_ ledger = (*store.Tx)(nil)
	_ ledger = (*store.Draft)(nil)
)

// change is one transaction: the records that it touches and the events that it makes.
type change struct {
	*worker
	tx      ledger
	begun   string // the trace that its events belong to
	records map[string]*touched
	order   []*touched
	rows    []store.OutboxRow
	full    *fullError // nil where all signals were taken
	result  result
}

func (w *worker) change(tx ledger, begun string) *change {
	if d := w.dirty.Load(); d != nil {
		tx = noting{tx, d}
	}
	return &change{worker: w, tx: tx, begun: begun, records: map[string]*touched{}}
}

// touched is a record of this transaction.
type touched struct {
	record  *verification.Record
	kind    *verification.Kind
	changed bool // and has to be saved
	// now is what its signals come to under the settings in force; nil where that is not known.
	now *verification.State
}

// state is what its signals come to under the settings in force.
func (t *touched) state() verification.State {
	if t.now != nil {
		return *t.now
	}
	return foldNow(t.kind, t.record)
}

// signal adds one signal to its verification.
func (c *change) signal(ctx context.Context, t *told) error {
	c.result.verifications = append(c.result.verifications, t.id.String())
	c.result.unknown = append(c.result.unknown, t.signal.Unknown...)
	touched, err := c.record(ctx, t.kind, t.id, t.signal.Sandbox)
	if err != nil {
		return err
	}
	cause := verification.Cause{ID: t.signal.Delivery, Seq: t.signal.Seq}
	if c.provider.OwnedPayloads {
		if owned, err := c.own(ctx, t); err != nil || !owned {
			return err
		}
	}
	known, before := touched.record.Find(t.signal.ID)
	made, err := t.kind.ApplyFor(touched.record, t.signal, cause)
	if errors.Is(err, verification.ErrTooManySignals) {
		c.leaveOut(t.record(), err)
		return nil
	}
	if err != nil {
		return err
	}
	touched.changed, touched.now = true, nil
	// Else the delivery has made its event when it was handled before, or it is a repeat. One
	// whose event was followed by another copy's is told to be a repeat once more, which its
	// event outweighs.
	c.result.applied = c.result.applied || before && known.Cause == cause.Seq
	if err := c.event(ctx, touched, made); err != nil {
		return err
	}
	if before && known.Disowned && t.signal.Decoder >= known.Decoder {
		return c.event(ctx, touched, t.kind.Disown(touched.record, t.signal.ID, false, cause))
	}
	return nil
}

// own finds out whether a signed payload belongs to this verification, where the name under
// which it came is not signed: the delivery that brought it first owns it, and one that
// brought it earlier, under a name that tells of nothing, says when that was. Where an earlier
// delivery is handled late, what the later one did is taken back.
func (c *change) own(ctx context.Context, t *told) (bool, error) {
	mine := store.Owner{Verification: t.id, Event: t.signal.Event, Seq: t.signal.Seq}
	payload, err := c.tx.Payload(ctx, t.signal.ID)
	if err != nil {
		return false, err
	}
	owner, known := payload.Owner, payload.Owned
	corrected, err := c.corrects(ctx, t, owner, known)
	if err != nil {
		return false, err
	}
	if known && !corrected && (owner.Verification != mine.Verification || owner.Event != mine.Event) {
		c.result.anomalies = append(c.result.anomalies, verification.AnomalyPayloadReused)
	}
	seen, before := payload.Sighting, payload.Sighted
	if before && seen.Seq < t.signal.Seq {
		t.signal.Redate(seen.Seq, seen.At, seen.ReceivedAt, seen.Delivery, seen.Decoder)
	}
	if known && owner.Seq <= mine.Seq && !corrected {
		return owner.Verification == mine.Verification, nil
	}
	if known && owner.Verification != mine.Verification {
		if err := c.disown(ctx, t, owner.Verification, true); err != nil {
			return false, err
		}
	}
	return true, c.tx.SetOwner(ctx, t.signal.ID, mine)
}

// corrects reports whether the signal is what a newer decoder reads from the delivery that owns the payload, where the older one had
// read another verification.
func (c *change) corrects(ctx context.Context, t *told, owner store.Owner, known bool) (bool, error) {
	if !known || owner.Seq != t.signal.Seq || owner.Verification == t.id {
		return false, nil
	}
	kind, ok := c.provider.Kind(owner.Verification.Kind)
	if !ok {
		return true, nil
	}
	for _, sandbox := range []bool{false, true} {
		touched, err := c.record(ctx, kind, owner.Verification, sandbox)
		if err != nil {
			return false, err
		}
		if before, found := touched.record.Find(t.signal.ID); found && before.Decoder >= t.signal.Decoder {
			return false, nil
		}
	}
	return true, nil
}

// disown takes a signal's effect on a verification away, or gives it back.
func (c *change) disown(ctx context.Context, t *told, id verification.ID, disowned bool) error {
	kind, ok := c.provider.Kind(id.Kind)
	if !ok {
		return nil
	}
	touched, err := c.record(ctx, kind, id, t.signal.Sandbox)
	if err != nil {
		return err
	}
	cause := verification.Cause{ID: t.signal.Delivery, Seq: t.signal.Seq}
	return c.event(ctx, touched, kind.Disown(touched.record, t.signal.ID, disowned, cause))
}

// record returns a record of this transaction, reading it the first time.
func (c *change) record(ctx context.Context, kind *verification.Kind, id verification.ID, sandbox bool) (*touched, error) {
	key := recordKey(id, sandbox)
	if t := c.records[key]; t != nil {
		return t, nil
	}
	record, err := c.tx.Record(ctx, id, sandbox)
	if err != nil {
		return nil, err
	}
	t := &touched{record: record, kind: kind}
	c.records[key] = t
	c.order = append(c.order, t)
	c.result.lanes = append(c.result.lanes, sandbox)
	return t, nil
}

// recordKey names a record: the sandbox has its own.
func recordKey(id verification.ID, sandbox bool) string {
	if sandbox {
		return "sandbox " + id.String()
	}
	return id.String()
}

// event adds the outbox row of a change; nil is none.
func (c *change) event(ctx context.Context, t *touched, made *verification.Change) error {
	if made == nil {
		return nil
	}
	row, err := c.row(ctx, t.record, t.kind, made, c.begun)
	if err != nil {
		return err
	}
	c.rows = append(c.rows, row)
	t.changed, t.now = true, &made.State
	c.result.applied = true
	c.result.changes = append(c.result.changes, *made)
	return nil
}

// save writes the changed records and the events.
func (c *change) save(ctx context.Context) error {
	for _, t := range c.order {
		if !t.changed {
			continue
		}
		if err := c.tx.Save(ctx, t.record, c.datesOf(t.record, t.state())); err != nil {
			return err
		}
	}
	slices.Sort(c.result.verifications)
	c.result.verifications = slices.Compact(c.result.verifications)
	return c.tx.Append(ctx, c.rows...)
}
