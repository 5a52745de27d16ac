package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// examination is one look at everything.
type examination struct {
	Config
	now    time.Time
	checks map[string]*check

	// floors are how far the lifecycle of each provider is with the deliveries: read before anything else, so that what it was done with by then has left its
	// trace in what is read later.
	floors map[string]bus.Floor
	// held is how far the read model was with each stream when the look began, and model the read model; nil where there is none.
	model *store.ReadModel
	held  map[string]store.Progress

	webhooks bus.StreamState
	// endings has what is known of each delivery that may be kept, from the first position of the stream on.
	endings endings
	// notes has the newest event of every verification.
	notes *store.Scratch
	read  map[string]span
}

// span is what was read of a stream: from and through which positions, and how many events of those that the read model must have. It is whole where every
// verification of the stream is remembered, and not only those with events that were read.
//
// What these events say is added up in sum, whatever their order.
type span struct {
	first, last, count uint64
	whole              bool
	sum                sum
}

// look examines everything once.
func look(ctx context.Context, config Config) (*examination, error) {
	e := &examination{Config: config, now: time.Now(), checks: map[string]*check{}, floors: map[string]bus.Floor{}, held: map[string]store.Progress{}, read: map[string]span{}}
	for _, name := range Names {
		e.checks[name] = &check{}
	}
	if err := e.look(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *examination) look(ctx context.Context) (err error) {
	if e.notes, err = store.OpenScratch(e.TempDir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.notes.Close()) }()
	if e.wants(ReadModel, Claims) {
		if err := e.openModel(ctx); err != nil {
			return err
		}
		if e.model != nil {
			defer func() { err = errors.Join(err, e.model.Close()) }()
		}
	}
	for _, step := range []struct {
		do    func(context.Context) error
		wants []string
	}{
		{e.settings, []string{Streams, Consumers}},
		{e.positions, []string{Deliveries, ReadModel}},
		// A dead letter is deleted once there is an event or an outcome instead of it, and an outcome is told, or an event published, before its delivery is done.
		{e.letters, []string{Deliveries, Letters, ReadModel}},
		{e.outcomes, []string{Deliveries, ReadModel}},
		{e.archived, []string{Versions, Deliveries, ReadModel, States}},
		{e.events, []string{Versions, Deliveries, ReadModel, States}},
		{e.deliveries, []string{Deliveries, ReadModel, Keys}},
		{e.table, []string{ReadModel}},
		{e.states, []string{States}},
		{e.outboxes, []string{Outbox}},
		{e.keys, []string{Keys}},
		{e.claims, []string{Claims}},
	} {
		if !e.wants(step.wants...) {
			continue
		}
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// found reports whether anything that is wanted was found.
func (e *examination) found() bool {
	for name, c := range e.checks {
		if e.wants(name) && c.count > 0 {
			return true
		}
	}
	return false
}

// keep leaves of all findings those that the first look had too.
func (e *examination) keep(first *examination) {
	for name, c := range e.checks {
		c.keep(first.checks[name])
	}
}

// openPatience is how long is waited for the read model.
const openPatience = 3 * time.Second

// openModel opens the read model. Where there is none, the checks that need it say so.
func (e *examination) openModel(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	model, err := store.OpenReader(patient, e.Store)
	if err != nil && ctx.Err() == nil {
		for _, name := range []string{ReadModel, Claims} {
			e.checks[name].find("open", "the read model cannot be read: %v", err)
			e.checks[name].advise("run this where the database of the projector can be reached, with the same settings")
		}
		return nil
	}
	e.model = model
	return err
}

// positions notes how far everybody is, before anything is read.
func (e *examination) positions(ctx context.Context) (err error) {
	if e.webhooks, err = e.Bus.StreamState(ctx, bus.Webhooks); err != nil {
		return err
	}
	e.endings = newEndings(e.webhooks.FirstSeq, e.webhooks.LastSeq)
	for i := range e.Providers {
		name := e.Providers[i].Name
		floor, err := e.Bus.AckFloor(ctx, bus.Webhooks, "lifecycle-"+name)
		if err != nil && !errors.Is(err, bus.ErrNotFound) {
			return err
		}
		e.floors[name] = floor
	}
	if e.model == nil {
		return nil
	}
	for _, stream := range []string{bus.Webhooks, bus.Verifications, bus.Sandbox, bus.Held, bus.Outcomes, bus.Dead} {
		held, err := e.model.Progress(ctx, stream)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		identity, err := e.Bus.StreamIdentity(ctx, stream)
		if err != nil {
			return err
		}
		if held.Identity != "" && held.Identity != identity {
			e.checks[ReadModel].find("identity "+stream, "the read model is of another %s, made at %s", stream, held.Identity)
			e.checks[ReadModel].advise("start the projector again: it forgets what came from the other stream")
			held = store.Progress{}
		}
		e.held[stream] = held
	}
	return nil
}

// former reports whether a message tells of deliveries of a KYC_WEBHOOKS that is no more.
func (e *examination) former(m bus.Stored) bool { return m.Time.Before(e.webhooks.Created) }

// decode reads a verification event.
func decode(m bus.Stored) (event.Verification, []byte, error) {
	envelope, err := event.Decode(m.Header, m.Data)
	if err != nil {
		return event.Verification{}, nil, err
	}
	data, _, err := event.VerificationOf(envelope)
	if err != nil {
		return event.Verification{}, nil, fmt.Errorf("message %d of %s: %w", m.Seq, m.Stream, err)
	}
	return data, envelope.Data(), nil
}
