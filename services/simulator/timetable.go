package simulator

import (
	"math"
	"time"
)

// between is how far apart the webhooks of one story are at a rate: mostly so far that one is
// answered before the next is due, so that a webhook is late for a slow answer alone.
const between = 100 * time.Millisecond

// timetable says when each request of a run at a rate is due, whatever the answers: one after
// the other at the same distance. A story gets every so many-th of these slots; in between are
// those of others.
type timetable struct {
	begun time.Time
	rate  float64
	next  int
	// free is, for each of the stories that are told at once, the slot from which on another
	// one can have its place.
	free []int
}

func newTimetable(begun time.Time, rate float64) *timetable {
	atOnce := min(max(math.Ceil(rate*between.Seconds()), 1), maxUnderWay)
	return &timetable{begun: begun, rate: rate, free: make([]int, int(atOnce))}
}

// enter gives so many slots to a job.
func (t *timetable) enter(posts int) slots {
	atOnce := len(t.free)
	for t.free[t.next%atOnce] > t.next {
		t.next++
	}
	t.free[t.next%atOnce] = t.next + posts*atOnce
	given := slots{first: t.begun.Add(t.after(t.next)), apart: t.after(atOnce)}
	t.next++
	return given
}

// after is how long so many slots take.
func (t *timetable) after(n int) time.Duration {
	return time.Duration(float64(n) / t.rate * float64(time.Second))
}

// slots are the times at which the requests of a job are due. Where they are not apart, each is
// due when the one before is through.
type slots struct {
	first time.Time
	apart time.Duration
}

func (s slots) at(n int) time.Time { return s.first.Add(time.Duration(n) * s.apart) }
