package letters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// Selection says which letters are meant, or which deliveries that told of nothing.
type Selection struct {
	// Letter is one letter, by its sequence.
	Letter uint64 `json:"letter,omitempty"`
	// The others choose by what a letter says; see bus.LetterFilter.
	Consumer string    `json:"consumer,omitempty"`
	Provider string    `json:"provider,omitempty"`
	Cause    string    `json:"cause,omitempty"`
	Delivery string    `json:"delivery,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	// All says that no filter is meant to be there.
	All bool `json:"all,omitempty"`
	// Unhandled means deliveries with the outcome `unhandled` in place of letters: provider, delivery and times choose among them.
	Unhandled bool `json:"unhandled,omitempty"`
}

// ErrSelection means that a selection cannot be meant.
var ErrSelection = errors.New("this selects nothing in particular")

// Check refuses a selection that cannot be meant. Errors: ErrSelection.
func (s Selection) Check() error {
	filtered := s.filter() != bus.LetterFilter{}
	switch {
	case s.Letter > 0 && (filtered || s.All || s.Unhandled):
		return fmt.Errorf("%w: name one letter, or a filter, or all", ErrSelection)
	case s.All && filtered:
		return fmt.Errorf("%w: all and a filter exclude each other", ErrSelection)
	case s.Unhandled && (s.Cause != "" || s.Consumer != ""):
		return fmt.Errorf("%w: deliveries that told of nothing have neither a cause nor a consumer that gave them up", ErrSelection)
	case s.Letter == 0 && !filtered && !s.All && !s.Unhandled:
		return fmt.Errorf("%w: name one letter, or a filter, or say that all are meant", ErrSelection)
	case !s.Until.IsZero() && !s.Since.Before(s.Until):
		return fmt.Errorf("%w: the time that it is to end at is not after the one that it begins with", ErrSelection)
	}
	return nil
}

func (s Selection) filter() bus.LetterFilter {
	return bus.LetterFilter{
		Consumer: s.Consumer, Provider: s.Provider, Cause: s.Cause, Delivery: s.Delivery, Since: s.Since, Until: s.Until,
	}
}

// String is the selection as it was asked for.
func (s Selection) String() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	if s.Letter > 0 {
		add("letter", strconv.FormatUint(s.Letter, 10))
	}
	if s.Unhandled {
		parts = append(parts, "unhandled")
	}
	add("consumer", s.Consumer)
	add("provider", s.Provider)
	add("cause", s.Cause)
	add("delivery", s.Delivery)
	if !s.Since.IsZero() {
		add("since", s.Since.UTC().Format(time.RFC3339Nano))
	}
	if !s.Until.IsZero() {
		add("until", s.Until.UTC().Format(time.RFC3339Nano))
	}
	if s.All {
		parts = append(parts, "all")
	}
	return strings.Join(parts, " ")
}

// stream is where what is selected lies.
func (s Selection) stream() string {
	if s.Unhandled {
		return bus.Outcomes
	}
	return bus.Dead
}

// chosen is one thing that a selection chose.
type chosen struct {
	seq      uint64 // in the stream of the selection
	at       time.Time
	letter   *bus.Letter // nil for a delivery that told of nothing
	request  bus.RedriveRequest
	obstacle string // why it cannot be redriven; empty where it can
}

// walk hands over what is selected behind a sequence and up to another, in order. The broker forgets a reader that is too slow.
func (d *Desk) walk(ctx context.Context, s Selection, after, through uint64, fn func(chosen) error) error {
	within := func(c chosen) error {
		if c.seq > through {
			return errFull
		}
		return fn(c)
	}
	var err error
	switch {
	case s.Letter > 0:
		if after >= s.Letter {
			return nil
		}
		var letter bus.Letter
		if letter, err = d.Letter(ctx, s.Letter); err == nil {
			err = within(d.chosen(letter))
		}
	case s.Unhandled:
		err = d.unhandled(ctx, s, after+1, within)
	default:
		err = d.Bus.Letters(ctx, s.filter(), after+1, func(l bus.Letter) error { return within(d.chosen(l)) })
	}
	if errors.Is(err, errFull) {
		err = nil
	}
	return err
}

// batchSize is how many are taken at a time; it bounds what is held in memory.
const batchSize = 256

// each hands over the same a batch at a time, however long each takes.
func (d *Desk) each(ctx context.Context, s Selection, after, through uint64, fn func([]chosen) error) error {
	for {
		var list []chosen
		err := d.walk(ctx, s, after, through, func(c chosen) error {
			if len(list) == batchSize {
				return errFull
			}
			list = append(list, c)
			return nil
		})
		if err != nil || len(list) == 0 {
			return err
		}
		if err := fn(list); err != nil {
			return err
		}
		after = list[len(list)-1].seq
	}
}

func (d *Desk) chosen(l bus.Letter) chosen {
	return chosen{seq: l.Seq, at: l.Filed, letter: &l, request: l.RequestFor(d.Actor, d.Via), obstacle: Obstacle(&l)}
}

// unhandled hands over the deliveries that told of nothing.
func (d *Desk) unhandled(ctx context.Context, s Selection, from uint64, fn func(chosen) error) error {
	provider := "*"
	if s.Provider != "" {
		provider = s.Provider
	}
	kept, err := d.Bus.StreamState(ctx, bus.Webhooks)
	if err != nil {
		return err
	}
	if !s.Since.IsZero() {
		first, err := d.Bus.FirstSince(ctx, bus.Outcomes, s.Since)
		if err != nil {
			return err
		}
		from = max(from, first)
	}
	_, err = d.Bus.Read(ctx, bus.Outcomes, event.OutcomeSubject(provider, string(event.Unhandled)), from, func(m bus.Stored) error {
		var told event.Outcome
		switch {
		case !s.Until.IsZero() && !m.Time.Before(s.Until):
			return errFull
		case m.Time.Before(s.Since), json.Unmarshal(m.Data, &told) != nil, s.Delivery != "" && told.Delivery != s.Delivery:
			return nil //nolint:nilerr // A message that is no outcome is the projector's to complain of.
		}
		c := chosen{seq: m.Seq, at: m.Time, request: bus.RedriveRequest{
			Consumer: LifecycleConsumer(told.Provider), Stream: bus.Webhooks, Sequence: told.Sequence, Outcome: m.Seq, Actor: d.Actor, Via: d.Via,
		}}
		if told.Sequence < kept.FirstSeq || m.Time.Before(kept.Created) {
			c.obstacle = "its delivery is no more in the stream"
		}
		return fn(c)
	})
	return err
}

// LifecycleConsumer is the name of the consumer that folds the deliveries of a provider.
func LifecycleConsumer(provider string) string { return "lifecycle-" + provider }
