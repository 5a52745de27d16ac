package store

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Carried is how much of a read model was taken over from the one before.
type Carried struct {
	Events, Deliveries, Outcomes, Claims int
}

const (
	// walkPage is how many positions are looked at together, and carryPage how many rows are taken over together.
	walkPage  = 16_384
	carryPage = 2048
	// skipPage is how many positions are counted together, skippedLightly how many of them in the time of one row.
	skipPage, skippedLightly = 4096, 64
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
		n, err := r.carryMissing(ctx, stream, &mine, &theirs, pace)
		carried += n
		if err != nil {
			return carried, wrap("carry deliveries over", err)
		}
	}
}

// carryMissing writes the deliveries of a stream that are not among theirs, and reads the next ones meanwhile.
func (r *Rebuild) carryMissing(ctx context.Context, stream string, mine, theirs *positions, pace func(n int) error) (carried int, err error) {
	group, ctx := errgroup.WithContext(ctx)
	found := make(chan []Delivery)
	group.Go(func() error {
		defer close(found)
		return missing(ctx, mine, theirs, pace, func(first, last uint64) error {
			rows, err := list(ctx, r.live.db.read(), scanDelivery,
				selectDelivery+` WHERE stream = $1 AND sequence BETWEEN $2 AND $3`, stream, int64(first), int64(last))
			if err != nil {
				return err
			}
			select {
			case found <- rows:
				return pace(len(rows))
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	group.Go(func() error {
		for rows := range found {
			if err := r.Put(ctx, Bulk{Deliveries: rows}); err != nil {
				return err
			}
			carried += len(rows)
		}
		return nil
	})
	err = group.Wait()
	return carried, err
}

func firstOf(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

// Carry takes over what no stream can give any more, up to a position of each: all that they hold up to there is in the new read model. These
// are the deliveries and events whose messages are no more, outcomes of deliveries that were told by nobody or that nobody tells any
// more, and up to where the claims of verifications are gone. What the streams hold is never taken from the old read model. caused tells of
// an event whether a stream still holds the delivery that caused it: then nothing but the event tells how that ended.
func (r *Rebuild) Carry(ctx context.Context, through map[string]uint64, caused func(*EventRow) bool, pace func(n int) error) (c Carried, err error) {
	if c.Deliveries, err = r.CarryDeliveries(ctx, through, pace); err != nil {
		return c, err
	}
	for _, sandbox := range []bool{false, true} {
		n, err := r.carryEvents(ctx, sandbox, through[streamOf(sandbox)], caused, pace)
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
func (r *Rebuild) carryEvents(ctx context.Context, sandbox bool, end uint64, caused func(*EventRow) bool, pace func(int) error) (carried int, err error) {
	mine := positions{statements: r.live.db.read(), end: end, args: []any{sandbox}, query: `SELECT sequence FROM verification_event WHERE sandbox = $1`}
	theirs := mine
	theirs.statements = r.next.db.read()
	err = missing(ctx, &mine, &theirs, pace, func(first, last uint64) error {
		rows, err := list(ctx, r.live.db.read(), func(scan scanner) (EventRow, error) { return scanEncodedEvent(scan, sandbox) },
			selectTimeline, sandbox, int64(first)-1, int64(last), carryPage)
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].CauseGone = !caused(&rows[i]) // then its delivery was carried over, with all that is known of it
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

// carryMarks takes over up to where claims must never be written again, where the events do not say it.
func (r *Rebuild) carryMarks(ctx context.Context, pace func(int) error) (carried int, err error) {
	if same, err := r.sameMarks(ctx, pace); err != nil || same {
		return 0, err
	}
	var after VerificationKey
	for {
		before := after
		mine, err := list(ctx, r.live.db.read(), scanMark, selectMarks+` AND (id, sandbox) > ($1, $2) ORDER BY id, sandbox LIMIT $3`,
			after.ID, after.Sandbox, carryPage)
		if err != nil || len(mine) == 0 {
			return carried, err
		}
		after = mine[len(mine)-1].VerificationKey
		theirs, err := list(ctx, r.next.db.read(), scanMark, selectMarks+` AND (id, sandbox) > ($1, $2) AND (id, sandbox) <= ($3, $4) ORDER BY id, sandbox`,
			before.ID, before.Sandbox, after.ID, after.Sandbox)
		if err != nil {
			return carried, err
		}
		known := make(map[VerificationKey]uint64, len(theirs))
		for _, c := range theirs {
			known[c.VerificationKey] = c.Row.AnonymizedThrough
		}
		seen := len(mine)
		marks := slices.DeleteFunc(mine, func(c Claims) bool { return known[c.VerificationKey] >= c.Row.AnonymizedThrough })
		carried += len(marks)
		if len(marks) > 0 {
			err = r.Put(ctx, Bulk{Marks: marks})
		}
		if err := firstOf(err, func() error { return pace(seen) }); err != nil {
			return carried, err
		}
	}
}

// sameMarks reports whether both say the same of up to where claims are gone, as they do most often. It is asked far faster than they are
// read.
func (r *Rebuild) sameMarks(ctx context.Context, pace func(int) error) (bool, error) {
	marks := compared{table: "claims", columns: "id, sandbox, anonymized_through", where: "anonymized_through > 0"}
	var sums [2]Sum
	var counting sync.Mutex
	group, working := errgroup.WithContext(ctx)
	for side, model := range []*ReadModel{r.live, r.next} {
		group.Go(func() error {
			s, err := model.Snapshot(working)
			if err != nil {
				return err
			}
			sums[side], err = s.sum(working, marks, func(n int) error {
				counting.Lock()
				defer counting.Unlock()
				return pace(n / 2)
			})
			return errors.Join(err, s.Close(ctx))
		})
	}
	err := group.Wait()
	return sums[0] == sums[1], err
}

const selectMarks = `SELECT id, sandbox, anonymized_through FROM claims WHERE anonymized_through > 0`

func scanMark(scan scanner) (c Claims, err error) {
	err = scan(&c.ID, &c.Sandbox, &c.Row.AnonymizedThrough)
	return c, err
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
		page, err := p.read(ctx, walkPage)
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

// read returns the first positions behind the last one that was read.
func (p *positions) read(ctx context.Context, limit int) ([]uint64, error) {
	after, through, most := p.behind()
	return list(ctx, p.statements, func(scan scanner) (seq uint64, err error) {
		return seq, scan(&seq)
	}, p.query+" AND sequence > "+after+" AND sequence <= "+through+" ORDER BY sequence LIMIT "+most,
		append(slices.Clone(p.args), int64(p.at), int64(p.end), limit)...)
}

// behind are the parameters behind the arguments.
func (p *positions) behind() (first, second, third string) {
	var w where
	n := len(p.args)
	return w.param(n + 1), w.param(n + 2), w.param(n + 3)
}

// whole reports whether there is each position from the first to the last one, which is asked far faster than they are read.
func (p *positions) whole(ctx context.Context, first, last uint64) (bool, error) {
	from, through, _ := p.behind()
	var n int64
	_, err := p.one(ctx, []any{&n}, "SELECT count(*) FROM (SELECT DISTINCT sequence FROM ("+p.query+" AND sequence >= "+from+" AND sequence <= "+through+") AS found) AS single",
		append(slices.Clone(p.args), int64(first), int64(last))...)
	return uint64(n) == last-first+1, err
}

// skip leaves out the positions of mine, from the next one on, that are among theirs together with all between them. It reports how many.
func skip(ctx context.Context, mine, theirs *positions) (skipped uint64, err error) {
	if len(mine.page) > 0 || mine.done {
		return 0, nil
	}
	next, err := mine.read(ctx, 1)
	if err != nil || len(next) == 0 {
		return 0, err
	}
	last := min(next[0]+skipPage-1, mine.end)
	whole, err := theirs.whole(ctx, next[0], last)
	if err != nil || !whole {
		return 0, err
	}
	mine.at = last
	theirs.page = slices.DeleteFunc(theirs.page, func(seq uint64) bool { return seq <= last })
	theirs.at = max(theirs.at, last)
	return last - next[0] + 1, nil
}

// missing calls fn for all of mine that are not among theirs, by the first and the last of a few between which there are no others. Of what
// need not be looked at one by one it calls pace with the number of rows that would take as long.
func missing(ctx context.Context, mine, theirs *positions, pace func(n int) error, fn func(first, last uint64) error) error {
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
		for {
			n, err := skip(ctx, mine, theirs)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			if err := firstOf(flush(), func() error { return pace(int(n / skippedLightly)) }); err != nil {
				return err
			}
		}
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
