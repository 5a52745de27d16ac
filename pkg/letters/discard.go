package letters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
)

// ErrReason means that a reason is missing, or not fit to be written down.
var ErrReason = errors.New("say why in 1 to 512 bytes on one line")

const maxReason = 512

// CheckReason refuses what is no reason. Errors: ErrReason.
func CheckReason(reason string) error {
	if strings.TrimSpace(reason) == "" || len(reason) > maxReason || strings.ContainsAny(reason, "\r\n\x00") {
		return ErrReason
	}
	return nil
}

// discarders is how many letters are given up at the same time.
const discarders = 16

// Discard gives the messages of the selected letters up for good: that a delivery is dead is told in the stream of outcomes, then its
// letter is taken out. While the broker is away it waits, as Redrive does. Errors: ErrSelection, those of Progress, ErrNoLetter, bus.ErrUnavailable.
func (d *Desk) Discard(ctx context.Context, w Work) (Progress, error) {
	so := Progress{Position: w.After}
	if w.Selection.Unhandled {
		return so, fmt.Errorf("%w: deliveries that told of nothing have no letter to discard", ErrSelection)
	}
	deliveries, err := d.Bus.StreamState(ctx, bus.Webhooks)
	if err != nil {
		return so, err
	}
	err = Patiently(ctx, d.Patience, func() (moved bool, err error) {
		after := so.Position
		err = d.each(ctx, w.Selection, after, w.Through, func(list []chosen) error {
			for len(list) > 0 {
				n := min(len(list), discarders)
				if err := d.discard(ctx, list[:n], deliveries.Created); err != nil {
					return err
				}
				so.Done, so.Position = so.Done+uint64(n), list[n-1].seq
				list = list[n:]
				if w.Progress == nil {
					continue
				}
				if err := w.Progress(so); err != nil {
					return err
				}
			}
			return nil
		})
		return so.Position > after, err
	})
	return so, err
}

// discard gives up several at the same time.
func (d *Desk) discard(ctx context.Context, list []chosen, streamSince time.Time) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() { errs[i] = d.discardOne(ctx, list[i].letter, streamSince) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (d *Desk) discardOne(ctx context.Context, l *bus.Letter, streamSince time.Time) error {
	// In a stream that was made anew the position is that of another delivery.
	if l.EndsDelivery() && !l.Filed.Before(streamSince) {
		if err := d.tell(ctx, l); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.DeadTold)
	return d.Bus.CloseLetter(ctx, l.Seq)
}

// tell says of a delivery what its letter said, so that whoever reads the one in place of the other comes to the same.
func (d *Desk) tell(ctx context.Context, l *bus.Letter) error {
	outcome := event.Outcome{
		Delivery: l.EventID, Sequence: l.Sequence, Provider: l.Provider, Event: l.Subject[strings.LastIndex(l.Subject, ".")+1:],
		Outcome: event.Dead, Anomalies: []string{}, Verifications: []string{}, At: l.LastErrorAt, Cause: l.Cause,
	}
	if l.Stream != bus.Webhooks {
		outcome.Stream = l.Stream
	}
	data, err := json.Marshal(outcome)
	if err != nil {
		return fmt.Errorf("outcome: %w", err)
	}
	id := "dead:" + l.Stream + ":" + strconv.FormatUint(l.Sequence, 10) + ":" + strconv.FormatUint(l.Seq, 10)
	_, err = d.Bus.Publish(ctx, bus.Message{
		Subject: event.OutcomeSubject(l.Provider, string(event.Dead)), Header: map[string][]string{bus.MessageIDHeader: {id}}, Data: data,
	})
	return err
}
