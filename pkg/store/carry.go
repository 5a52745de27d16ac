package store

import (
	"context"
	"math"
)

// Carried is how much of a read model was taken over from the one before.
type Carried struct {
	Events, Deliveries, Outcomes, Claims int
}

const (
	// walkPage is how many positions are looked at together, and carryPage how many rows are taken over together.
	walkPage  = 16_384
	carryPage = 2048
)

// CarryDeliveries takes over the deliveries up to a position of each stream whose receipt the new read model does not know: their messages
// are no more. It calls pace after every few, with their number. Streams without a position are taken over as a whole.
func (r *Rebuild) CarryDeliveries(ctx context.Context, through map[string]uint64, pace func(n int) error) (carried int, err error) {
	for stream := ""; ; {
		found, err := r.live.db.read().one(ctx, []any{&stream}, `SELECT stream FROM delivery WHERE stream > $1 ORDER BY stream LIMIT 1`, stream)
		if err != nil || !found {
			return carried, wrap("carry deliveries over", err)
		}
		end := uint64(math.MaxInt64)
		if known, ok := through[stream]; ok {
			end = known
		}
		mine := positions{statements: r.live.db.read(), end: end, args: []any{stream}, query: `SELECT sequence FROM delivery WHERE stream = $1`}
		theirs := mine
		theirs.statements, theirs.query = r.next.db.read(), mine.query+` AND received_at IS NOT NULL`
		err = missing(ctx, &mine, &theirs, func(first, last uint64) error {
			rows, err := list(ctx, r.live.db.read(), scanDelivery,
				selectDelivery+` WHERE stream = $1 AND sequence BETWEEN $2 AND $3`, stream, int64(first), int64(last))
			if err != nil {
				return err
			}
			carried += len(rows)
			return firstOf(r.Put(ctx, Bulk{Deliveries: rows}), func() error { return pace(len(rows)) })
		})
		if err != nil {
			return carried, wrap("carry deliveries over", err)
		}
	}
}

func firstOf(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

// Carry takes over what no stream can give any more, up to a position of each: all that they hold up to there is in the new read model. These
// are the deliveries and events whose messages are no more, outcomes of deliveries that were told by nobody or that nobody tells any
// more, and up to where the claims of verifications are gone. What the streams hold is never taken from the old read model.
func (r *Rebuild) Carry(ctx context.Context, through map[string]uint64, pace func(n int) error) (c Carried, err error) {
	if c.Deliveries, err = r.CarryDeliveries(ctx, through, pace); err != nil {
		return c, err
	}
	for _, sandbox := range []bool{false, true} {
		n, err := r.carryEvents(ctx, sandbox, through[streamOf(sandbox)], pace)
		c.Events += n
		if err != nil {
			return c, wrap("carry events over", err)
		}
	}
	for _, outcome := range []string{OutcomeDead, OutcomeExpired} {
		n, err := r.carryOutcome(ctx, outcome, through, pace)
		c.Outcomes += n
		if err != nil {
			return c, wrap("carry outcomes over", err)
		}
	}
	n, err := r.carryEnds(ctx, pace)
	c.Outcomes += n
	if err != nil {
		return c, wrap("carry outcomes over", err)
	}
	c.Claims, err = r.carryMarks(ctx, pace)
	return c, wrap("carry the end of claims over", err)
}

// carryEvents takes over the events whose positions the stream has empty.
func (r *Rebuild) carryEvents(ctx context.Context, sandbox bool, end uint64, pace func(int) error) (carried int, err error) {
	mine := positions{statements: r.live.db.read(), end: end, args: []any{sandbox}, query: `SELECT sequence FROM verification_event WHERE sandbox = $1`}
	theirs := mine
	theirs.statements = r.next.db.read()
	err = missing(ctx, &mine, &theirs, func(first, last uint64) error {
		rows, err := list(ctx, r.live.db.read(), func(scan scanner) (EventRow, error) { return scanEvent(scan, sandbox) },
			selectTimeline, sandbox, int64(first)-1, int64(last), carryPage)
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].CauseGone = true // its delivery was carried over, with all that is known of it
		}
		carried += len(rows)
		return firstOf(r.Put(ctx, Bulk{Events: rows}), func() error { return pace(len(rows)) })
	})
	return carried, err
}

// carryOutcome takes over how deliveries ended that no other message tells of any more, or that only the read model has ever known.
func (r *Rebuild) carryOutcome(ctx context.Context, outcome string, through map[string]uint64, pace func(int) error) (carried int, err error) {
	f := DeliveryFilter{Outcome: outcome, Limit: carryPage}
	for {
		page, err := r.live.Deliveries(ctx, f)
		if err != nil {
			return carried, err
		}
		var outcomes []Delivery
		for _, d := range page.Rows {
			if end, ok := through[d.Stream]; !ok || d.Sequence <= end {
				outcomes = append(outcomes, Delivery{
					Stream: d.Stream, Sequence: d.Sequence, Outcome: d.Outcome, OutcomeAt: d.OutcomeAt, Cause: d.Cause,
				})
			}
		}
		if err := firstOf(r.Put(ctx, Bulk{Deliveries: outcomes}), func() error { return pace(len(outcomes)) }); err != nil {
			return carried, err
		}
		carried += len(outcomes)
		if f.After = page.Next; f.After.IsZero() {
			return carried, nil
		}
	}
}

// carryEnds takes over how deliveries ended of which the streams tell no end.
func (r *Rebuild) carryEnds(ctx context.Context, pace func(int) error) (carried int, err error) {
	f := DeliveryFilter{Outcome: OutcomePending, Limit: carryPage}
	for {
		page, err := r.next.Deliveries(ctx, f)
		if err != nil {
			return carried, err
		}
		var ends []Delivery
		for _, d := range page.Rows {
			known, err := list(ctx, r.live.db.read(), scanDelivery, selectDelivery+` WHERE stream = $1 AND sequence = $2`, d.Stream, int64(d.Sequence))
			if err != nil {
				return carried, err
			}
			// The end of one that has ended just now comes once more, with what is read next.
			if len(known) == 1 && known[0].Outcome != "" {
				ends = append(ends, known[0])
			}
		}
		if err := firstOf(r.Put(ctx, Bulk{Deliveries: ends}), func() error { return pace(len(page.Rows)) }); err != nil {
			return carried, err
		}
		carried += len(ends)
		if f.After = page.Next; f.After.IsZero() {
			return carried, nil
		}
	}
}

// carryMarks takes over up to where claims must never be written again.
func (r *Rebuild) carryMarks(ctx context.Context, pace func(int) error) (carried int, err error) {
	after := VerificationKey{}
	for {
		var marks []Claims
		err := r.live.db.read().each(ctx, func(scan scanner) error {
			var c Claims
			if err := scan(&c.ID, &c.Sandbox, &c.Row.AnonymizedThrough); err != nil {
				return err
			}
			marks = append(marks, c)
			return nil
		}, `SELECT id, sandbox, anonymized_through FROM claims
			WHERE anonymized_through > 0 AND (id, sandbox) > ($1, $2) ORDER BY id, sandbox LIMIT $3`, after.ID, after.Sandbox, carryPage)
		if err != nil || len(marks) == 0 {
			return carried, err
		}
		after = marks[len(marks)-1].VerificationKey
		carried += len(marks)
		if err := firstOf(r.Put(ctx, Bulk{Marks: marks}), func() error { return pace(len(marks)) }); err != nil {
			return carried, err
		}
	}
}

// positions walks the positions of a table in their order.
type positions struct {
	statements

	query string // of the positions, with the arguments args
	args  []any
	end   uint64 // the last one of interest
	page  []uint64
	at    uint64 // the last one that was read
	done  bool
}

// peek returns the next position, if there is one.
func (p *positions) peek(ctx context.Context) (uint64, bool, error) {
	if len(p.page) == 0 && !p.done {
		n := len(p.args)
		var w where
		page, err := list(ctx, p.statements, func(scan scanner) (seq uint64, err error) {
			return seq, scan(&seq)
		}, p.query+" AND sequence > "+w.param(n+1)+" AND sequence <= "+w.param(n+2)+" ORDER BY sequence LIMIT "+w.param(n+3),
			append(append([]any{}, p.args...), int64(p.at), int64(p.end), walkPage)...)
		if err != nil {
			return 0, false, err
		}
		p.page, p.done = page, len(page) < walkPage
		if len(page) > 0 {
			p.at = page[len(page)-1]
		}
	}
	if len(p.page) == 0 {
		return 0, false, nil
	}
	return p.page[0], true, nil
}

// missing calls fn for all of mine that are not among theirs, by the first and the last of a few between which there are no others.
func missing(ctx context.Context, mine, theirs *positions, fn func(first, last uint64) error) error {
	var first, last uint64
	count := 0
	flush := func() error {
		if count == 0 {
			return nil
		}
		count = 0
		return fn(first, last)
	}
	for {
		seq, ok, err := mine.peek(ctx)
		if err != nil {
			return err
		}
		if !ok {
			return flush()
		}
		theirSeq, ok, err := theirs.peek(ctx)
		if err != nil {
			return err
		}
		switch {
		case ok && theirSeq < seq:
			theirs.page = theirs.page[1:]
		case ok && theirSeq == seq:
			mine.page = mine.page[1:] // there may be another one of mine
			if err := flush(); err != nil {
				return err
			}
		default:
			mine.page = mine.page[1:]
			if count == 0 {
				first = seq
			}
			last = seq
			if count++; count == carryPage {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
}
