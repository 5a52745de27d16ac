package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/runs"
)

// via is how the audit calls whoever comes here.
const via = "api"

// letters is where dead letters are looked after.
func (a *api) letters() (*letters.Desk, error) {
	if a.bus == nil {
		return nil, errNoBroker
	}
	return &letters.Desk{Bus: a.bus, Actor: caller, Via: via}, nil
}

// deadLetters answers with what was given up.
func (a *api) deadLetters(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := bus.LetterFilter{
		Consumer: q.text("consumer"), Provider: q.text("provider"), Cause: q.text("cause"), Delivery: q.text("delivery"),
		Since: q.time("since"), Until: q.time("until"),
	}
	limit, after := q.limit(), cursor(q, parsePosition)
	if err := q.done(); err != nil {
		return err
	}
	desk, err := a.letters()
	if err != nil {
		return err
	}
	page, err := desk.Page(r.Context(), filter, after, limit)
	if err != nil {
		return err
	}
	return respondOnce(w, r, DeadLetterPage{
		Data: convert(page.Letters, newDeadLetter), Meta: DeliveryMeta{positionCursor(page.Next)},
	})
}

// positionCursor is where the next page begins; nil where there is none.
func positionCursor(next uint64) *string {
	if next == 0 {
		return nil
	}
	return new(strconv.FormatUint(next, 10))
}

// numbered returns the number in a part of the path, 0 where that is none: there is nothing under it then.
func numbered(r *http.Request, part string) uint64 {
	number, err := parsePosition(r.PathValue(part))
	if err != nil {
		return 0
	}
	return number
}

// deadLetter answers with one letter.
func (a *api) deadLetter(w http.ResponseWriter, r *http.Request) error {
	if err := newQuery(r).done(); err != nil {
		return err
	}
	desk, err := a.letters()
	if err != nil {
		return err
	}
	letter, err := desk.Letter(r.Context(), numbered(r, "letter"))
	if err != nil {
		return err
	}
	return respondOnce(w, r, DeadLetterAnswer{newDeadLetter(letter)})
}

func newDeadLetter(l bus.Letter) DeadLetter {
	return DeadLetter{
		Letter: l.Seq, FiledAt: l.Filed.UTC(), Consumer: l.Consumer, Stream: l.Stream, Sequence: l.Sequence, Subject: l.Subject,
		Delivery: orNull(l.EventID), Provider: orNull(l.Provider), Cause: l.Cause, Error: l.Error, Attempts: l.Attempts,
		FirstErrorAt: l.FirstErrorAt, LastErrorAt: l.LastErrorAt, Redrives: l.Redrives, Obstacle: orNull(letters.Obstacle(&l)),
	}
}

// redrive has messages handled once more, or says how many that would be.
func (a *api) redrive(w http.ResponseWriter, r *http.Request) error {
	var order RedriveOrder
	if err := readBody(w, r, &order); err != nil {
		return err
	}
	rate, err := paceOf(order.Rate)
	if err != nil {
		return err
	}
	return a.order(w, r, order.DryRun == nil || *order.DryRun, repairSpec{
		Action: actionRedrive, Rate: rate, Selection: letters.Selection{
			Letter: order.Letter, Consumer: order.Consumer, Provider: order.Provider, Cause: order.Cause, Delivery: order.Delivery,
			Since: order.Since, Until: order.Until, All: order.All, Unhandled: order.Unhandled,
		},
	})
}

// paceOf is how many a second are asked for; 0 where nothing is said, which is something else than to ask for none.
func paceOf(rate *float64) (float64, error) {
	switch {
	case rate == nil:
		return 0, nil
	case *rate <= 0:
		return 0, invalidBody("has a rate that is not above 0")
	default:
		return *rate, nil
	}
}

// discard gives messages up for good, or says how many that would be.
func (a *api) discard(w http.ResponseWriter, r *http.Request) error {
	var order DiscardOrder
	if err := readBody(w, r, &order); err != nil {
		return err
	}
	if err := letters.CheckReason(order.Reason); err != nil {
		return err
	}
	return a.order(w, r, order.DryRun == nil || *order.DryRun, repairSpec{
		Action: actionDiscard, Reason: order.Reason, Selection: letters.Selection{
			Letter: order.Letter, Consumer: order.Consumer, Provider: order.Provider, Cause: order.Cause, Delivery: order.Delivery,
			Since: order.Since, Until: order.Until, All: order.All,
		},
	})
}

// order answers with what an order comes to, and has it done unless it is only asked what that would be.
func (a *api) order(w http.ResponseWriter, r *http.Request, dry bool, spec repairSpec) error {
	desk, err := a.letters()
	if err != nil {
		return err
	}
	plan, err := desk.Plan(r.Context(), spec.Selection)
	if err != nil {
		return err
	}
	answer := Repair{
		DryRun: dry, Matched: int(plan.Matched), Redrivable: int(plan.Redrivable), Oldest: plan.Oldest.UTC(), Newest: plan.Newest.UTC(),
		Consumers: convert(plan.Consumers, newNamedCount), Causes: convert(plan.Causes, newNamedCount), Obstacles: convert(plan.Obstacles, newNamedCount),
	}
	if !dry {
		name, err := a.beginRepair(r.Context(), spec, plan)
		if err != nil {
			return err
		}
		answer.Run = &name
	}
	return respondOnce(w, r, RepairAnswer{answer})
}

func newNamedCount(c letters.Count) NamedCount { return NamedCount{Name: c.Name, Count: int(c.Count)} }

// repairProblem is the problem of an error of those who repair.
func repairProblem(err error) *problem {
	notFound := func() *problem { return newProblem(http.StatusNotFound, CauseNotFound, "Not found", sentence(err)) }
	switch {
	case errors.Is(err, letters.ErrNoLetter), errors.Is(err, letters.ErrNothing), errors.Is(err, held.ErrNotHeld), errors.Is(err, held.ErrNothing), errors.Is(err, runs.ErrUnknown):
		return notFound()
	case errors.Is(err, letters.ErrSelection), errors.Is(err, letters.ErrReason), errors.Is(err, held.ErrSelection):
		return newProblem(http.StatusBadRequest, CauseInvalidBody, "Invalid body", sentence(err))
	case errors.Is(err, held.ErrHandshake), errors.Is(err, held.ErrExpired), errors.Is(err, held.ErrUnreadable), errors.Is(err, runs.ErrOver):
		return newProblem(http.StatusConflict, CauseNotPossible, "Not possible", sentence(err))
	case errors.Is(err, held.ErrNoKeys), errors.Is(err, held.ErrKeyLost):
		return newProblem(http.StatusServiceUnavailable, CauseKeysUnavailable, "Keys unavailable", sentence(err))
	default:
		return errInternal
	}
}

// sentence is an error of our own as a detail: it holds numbers, names and filters, never personal data.
func sentence(err error) string { return err.Error() + "." }

// timeOrNull is null for the zero time.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}
