package doctor

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/archive"
	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

const (
	// scanChunk is how many events are compared with what is remembered at a time.
	scanChunk = 2000
	// progressStep is after how many messages the progress is told.
	progressStep = 1000
)

// letters reads all open dead letters.
func (e *examination) letters(ctx context.Context) error {
	c := e.checks[Letters]
	open := map[string]int{}
	_, err := e.Bus.Read(ctx, bus.Dead, "kyc.dead.>", 1, func(m bus.Stored) error {
		c.looked++
		var letter bus.DeadLetter
		if err := json.Unmarshal(m.Data, &letter); err != nil {
			c.find(fmt.Sprint(m.Seq), "letter %d cannot be read", m.Seq)
			c.advise("discard it: verdict dead discard --reason TEXT LETTER")
			return nil //nolint:nilerr // It is a finding.
		}
		open[letter.Consumer]++
		switch {
		case e.former(m):
		case letter.EndsDelivery() && letter.Stream == bus.Webhooks:
			r, _ := rankOf(store.OutcomeDead)
			e.endings.tell(letter.Sequence, r, m.Seq <= e.held[bus.Dead].Sequence)
		case strings.HasPrefix(letter.Consumer, bus.ReadModelConsumers):
			c.find(fmt.Sprint(m.Seq), "message %d of %s is not in the read model (%s, letter %d)", letter.Sequence, letter.Stream, letter.Cause, m.Seq)
			c.advise("have them written once more: verdict dead redrive --consumer %s --yes", letter.Consumer)
		}
		return nil
	})
	for _, consumer := range slices.Sorted(maps.Keys(open)) {
		c.note("%d open of %s: verdict dead list --consumer %s", open[consumer], consumer, consumer)
	}
	return wrap("read dead letters", err)
}

// outcomes reads how deliveries ended that left no event.
func (e *examination) outcomes(ctx context.Context) error {
	_, err := e.Bus.Read(ctx, bus.Outcomes, "kyc.outcome.>", 1, func(m bus.Stored) error {
		var outcome event.Outcome
		if err := json.Unmarshal(m.Data, &outcome); err != nil {
			e.checks[Deliveries].find(fmt.Sprint("outcome ", m.Seq), "message %d of %s cannot be read", m.Seq, m.Stream)
			return nil //nolint:nilerr // It is a finding.
		}
		if r, ok := rankOf(string(outcome.Outcome)); ok && !e.former(m) && (outcome.Stream == "" || outcome.Stream == bus.Webhooks) {
			e.endings.tell(outcome.Sequence, r, m.Seq <= e.held[bus.Outcomes].Sequence)
		}
		return nil
	})
	return wrap("read outcomes", err)
}

// archived takes over what the stream was trimmed of: the latest events, and which deliveries made events.
func (e *examination) archived(ctx context.Context) error {
	state, err := e.Bus.StreamState(ctx, bus.Verifications)
	if err != nil {
		return err
	}
	e.read[bus.Verifications] = span{first: state.FirstSeq}
	if state.FirstSeq <= 1 {
		return nil
	}
	c := e.checks[Versions]
	a, err := archive.Open(e.ArchiveDir)
	if errors.Is(err, archive.ErrNone) {
		c.find("archive", "the stream begins at %d and there is no archive in %s: what was before is lost, or elsewhere", state.FirstSeq, e.ArchiveDir)
		c.advise("name the directory of the archive with --archive, or put back the files of the archive, or what a backup has of them")
		return nil
	}
	if err != nil {
		return err
	}
	identity, err := e.Bus.StreamIdentity(ctx, bus.Verifications)
	if err != nil {
		return err
	}
	m := a.Manifest()
	lacks := ""
	switch {
	case m.Identity != identity:
		lacks = "is of another stream, made at " + m.Identity
	case m.First > 1:
		lacks = fmt.Sprintf("begins at %d: the events before are in neither", m.First)
	case m.Through+1 < state.FirstSeq:
		lacks = fmt.Sprintf("ends at %d: the events between are in neither", m.Through)
	}
	if lacks != "" {
		c.find("archive", "the stream begins at %d and the archive in %s %s", state.FirstSeq, e.ArchiveDir, lacks)
		c.advise("put back the files of the archive, or what a backup has of them")
		return nil
	}
	e.read[bus.Verifications] = span{first: m.Through + 1, whole: true}
	var chunk []store.Known
	put := func() error {
		err := e.notes.Put(ctx, chunk)
		chunk = chunk[:0]
		return err
	}
	err = a.Latest(ctx, func(entry *archive.Entry) error {
		digest, err := digestOf(&entry.Data)
		if err != nil {
			return err
		}
		chunk = append(chunk, known(entry.Data.ID, entry.Sequence, &entry.Data, digest))
		if len(chunk) < scanChunk {
			return nil
		}
		return put()
	})
	if err = errors.Join(err, put()); err != nil {
		return err
	}
	for _, f := range m.Events {
		if f.To.Before(e.webhooks.FirstTime) {
			continue // its events were caused by deliveries that are kept no more
		}
		return a.Events(ctx, f.First, func(entry *archive.Entry) error {
			if entry.Sequence <= m.Through && entry.Data.CausationSequence > 0 && !entry.StoredAt.Before(e.webhooks.Created) {
				e.endings.tell(entry.Data.CausationSequence, applied, entry.Sequence <= e.held[bus.Verifications].Sequence)
			}
			return nil
		})
	}
	return nil
}

// events reads both streams of events.
func (e *examination) events(ctx context.Context) error {
	for _, stream := range []string{bus.Verifications, bus.Sandbox} {
		if err := e.stream(ctx, stream); err != nil {
			return wrap("read "+stream, err)
		}
	}
	return nil
}

// told is an event that waits to be compared with what is remembered.
type told struct {
	key    string
	seq    uint64
	data   event.Verification
	digest []byte
}

func (e *examination) stream(ctx context.Context, stream string) error {
	state, err := e.Bus.StreamState(ctx, stream)
	if err != nil {
		return err
	}
	sandbox := stream == bus.Sandbox
	s := e.read[stream]
	s.first, s.last = max(s.first, state.FirstSeq), state.LastSeq
	// What was before is remembered, or there was nothing.
	s.whole = s.whole || state.FirstSeq <= 1
	c := e.checks[Versions]
	var chunk []told
	var n uint64
	_, err = e.Bus.Read(ctx, stream, ">", s.first, func(m bus.Stored) error {
		if m.Seq > s.last {
			return nil
		}
		if n++; n%progressStep == 0 {
			e.progress(stream, n, state.Messages)
		}
		data, _, err := decode(m)
		if err != nil {
			c.find(fmt.Sprint(stream, m.Seq), "message %d of %s is no event", m.Seq, stream)
			return nil //nolint:nilerr // It is a finding.
		}
		must := m.Seq <= e.held[stream].Sequence
		digest, err := digestOf(&data)
		if err != nil {
			return err
		}
		if must {
			s.count++
			s.sum.add(digest)
		}
		if data.CausationSequence > 0 && !e.former(m) {
			e.endings.tell(data.CausationSequence, applied, must)
		}
		chunk = append(chunk, told{name(data.ID, sandbox), m.Seq, data, digest})
		if len(chunk) < scanChunk {
			return nil
		}
		err = e.compare(ctx, stream, chunk, s.whole)
		chunk = chunk[:0]
		return err
	})
	if err == nil {
		err = e.compare(ctx, stream, chunk, s.whole)
	}
	e.read[stream] = s
	return err
}

// compare holds events to the ones before them, and remembers them.
func (e *examination) compare(ctx context.Context, stream string, chunk []told, whole bool) error {
	c := e.checks[Versions]
	keys := make([]string, len(chunk))
	for i := range chunk {
		keys[i] = chunk[i].key
	}
	remember, err := e.notes.Find(ctx, keys)
	if err != nil {
		return err
	}
	for i := range chunk {
		t := &chunk[i]
		c.looked++
		var before *event.Verification
		if k, ok := remember[t.key]; ok {
			before = remembered(k)
		}
		for _, fault := range Follows(before, &t.data, whole) {
			c.find(fmt.Sprint(fault, stream, t.seq), "%s", fault.explain(t.key, before, &t.data, stream, t.seq))
			c.advise("this must never happen: please report it, with the output of verdict doctor --json --only %s", Versions)
		}
		if before != nil && t.data.Version <= before.Version {
			continue
		}
		remember[t.key] = known(t.key, t.seq, &t.data, t.digest)
	}
	return e.notes.Put(ctx, slices.Collect(maps.Values(remember)))
}

// digestOf is what two events of one verification and version are compared by.
func digestOf(data *event.Verification) ([]byte, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:digestBytes], nil
}

// digestBytes is enough for no two to meet by chance.
const digestBytes = 16

// sum is what the digests of some events come to.
type sum [digestBytes]byte

func (s *sum) add(digest []byte) {
	for i := range s {
		s[i] ^= digest[i]
	}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
