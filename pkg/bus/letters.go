package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Letter is a dead letter as it lies in its stream. One that lies there is open: it is taken out when its message is done after all, or
// given up for good.
type Letter struct {
	DeadLetter
	Seq uint64
	// Filed is when it was stored.
	Filed time.Time
}

// LetterFilter chooses dead letters. An empty field chooses all.
type LetterFilter struct {
	Consumer string
	Provider string
	Cause    string
	// Delivery is the id of the CloudEvent that the letter is about.
	Delivery string
	// Since and Until bound when it was filed; Until itself is outside.
	Since, Until time.Time
}

func (f *LetterFilter) chooses(l *Letter) bool {
	return (f.Consumer == "" || l.Consumer == f.Consumer) && (f.Provider == "" || l.Provider == f.Provider) &&
		(f.Cause == "" || l.Cause == f.Cause) && (f.Delivery == "" || l.EventID == f.Delivery) && !l.Filed.Before(f.Since)
}

// errEnough ends a reading early.
var errEnough = errors.New("enough")

// Letters hands the open letters that the filter chooses to fn, in the order in which they were filed, from sequence `from` on and up to the
// last one at the time of the call. It stops at the first error of fn and returns it. A message that is no dead letter is left out.
// Errors of its own: ErrUnavailable.
func (b *Bus) Letters(ctx context.Context, f LetterFilter, from uint64, fn func(Letter) error) error {
	if !f.Since.IsZero() {
		first, err := b.FirstSince(ctx, Dead, f.Since)
		if err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		from = max(from, first)
	}
	subjects := deadSubjects + ">"
	if consumerNamePattern.MatchString(f.Consumer) {
		subjects = deadSubjects + f.Consumer
	}
	_, err := b.Read(ctx, Dead, subjects, from, func(m Stored) error {
		if !f.Until.IsZero() && !m.Time.Before(f.Until) {
			return errEnough
		}
		letter, err := letterOf(m)
		if err != nil || !f.chooses(&letter) {
			return nil //nolint:nilerr // A message that is no letter is the projector's to complain of.
		}
		return fn(letter)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}

// Letter returns the open letter of that sequence. Errors: ErrNotFound, ErrUnavailable.
func (b *Bus) Letter(ctx context.Context, seq uint64) (Letter, error) {
	m, err := b.Get(ctx, Dead, seq)
	if err != nil {
		return Letter{}, err
	}
	return letterOf(m)
}

func letterOf(m Stored) (Letter, error) {
	letter := Letter{Seq: m.Seq, Filed: m.Time}
	if err := json.Unmarshal(m.Data, &letter.DeadLetter); err != nil {
		return Letter{}, fmt.Errorf("dead letter %d: %w", m.Seq, err)
	}
	return letter, nil
}

// CloseLetter takes a letter out of its stream: its message is done, or given up for good. One that is not there is closed.
// Errors: ErrUnavailable.
func (b *Bus) CloseLetter(ctx context.Context, seq uint64) error { return b.Drop(ctx, Dead, seq) }

// Drop takes a message out of its stream. One that is not there is out. Errors: ErrUnavailable.
func (b *Bus) Drop(ctx context.Context, stream string, seq uint64) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	handle, err := b.handle(ctx, stream)
	if err != nil {
		return fmt.Errorf("drop message %d of %s: %w", seq, stream, classify(err))
	}
	failed := handle.DeleteMsg(ctx, seq)
	if failed == nil {
		return nil
	}
	// The broker has no error of its own for a message that is not there.
	if _, err := b.get(ctx, stream, seq); errors.Is(err, ErrNotFound) {
		return nil
	}
	return fmt.Errorf("drop message %d of %s: %w: %w", seq, stream, ErrUnavailable, failed)
}
