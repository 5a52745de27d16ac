package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

const (
	// batchMessages and batchBytes bound what is published as one.
	batchMessages = 500
	batchBytes    = 1 << 20
)

// stream is a sink that publishes to a stream of its own. What is in that stream says how far the run is, so nothing is there twice, whatever became
// of the answers.
type stream struct {
	bus    *bus.Bus
	name   string // of the run
	source string
	keep   time.Duration
	begun  bool
	claim  func(ctx context.Context) error

	filter string
	fence  uint64 // the sequence of the last message that is there, 0 where none is
	// stored is how many messages were published, and through the position in the source of the last one that is there, 0 where that is not known.
	stored, through uint64
	batch           []bus.Message
	size            int
	last            uint64 // the position in the source of the last message of the batch
	sent            int64  // bytes
}

func (s *stream) open(ctx context.Context) error {
	s.filter = event.ReplaySubject(s.name, "*", "*", "*")
	there, err := s.bus.HasReplayStream(ctx, s.name)
	switch {
	case err != nil:
		return err
	case there && !s.begun:
		return fmt.Errorf("there is a stream %s that is not of this run: remove it, or cancel this run and choose another name", bus.ReplayStream(s.name))
	case !there:
		if err := s.claim(ctx); err != nil {
			return err
		}
		return s.bus.CreateReplayStream(ctx, s.name, s.source, s.keep)
	}
	return s.locate(ctx)
}

// locate reads from the stream how far the run is.
func (s *stream) locate(ctx context.Context) error {
	name := bus.ReplayStream(s.name)
	state, err := s.bus.StreamState(ctx, name)
	if err != nil {
		return err
	}
	if s.fence, err = s.bus.LastSequence(ctx, name, s.filter); err != nil {
		return err
	}
	s.stored = state.LastSeq
	if s.fence == 0 {
		return nil // All that was published is too old by now.
	}
	last, err := s.bus.Get(ctx, name, s.fence)
	if errors.Is(err, bus.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.through, err = strconv.ParseUint(first(last.Header[event.SequenceHeader]), 10, 64); err != nil {
		return fmt.Errorf("message %d of %s is not of a replay: cancel this run and choose another name", last.Seq, name)
	}
	return nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (s *stream) put(ctx context.Context, m *bus.Stored) error {
	if m.Seq <= s.through {
		return nil // It was published before the run was interrupted.
	}
	out := bus.Message{Subject: event.Replayed(s.name, m.Subject), Header: replayedHeader(m, s.name), Data: m.Data}
	if len(s.batch) > 0 && s.size+len(m.Data) > batchBytes {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	s.batch, s.size, s.last = append(s.batch, out), s.size+len(m.Data), m.Seq
	s.sent += int64(len(m.Data))
	if len(s.batch) == batchMessages {
		return s.flush(ctx)
	}
	return nil
}

// replayedHeader is the header of a message without what its first publisher and the broker said to each other, and with what a replay adds.
func replayedHeader(m *bus.Stored, name string) map[string][]string {
	const broker = "Nats-"
	header := make(map[string][]string, len(m.Header)+2)
	for key, values := range m.Header {
		if !strings.HasPrefix(key, broker) || key == event.MessageID {
			header[key] = values
		}
	}
	header[event.ReplayHeader] = []string{name}
	header[event.SequenceHeader] = []string{strconv.FormatUint(m.Seq, 10)}
	return header
}

// flush publishes the batch. Where it is not known whether it was stored, the stream is asked.
func (s *stream) flush(ctx context.Context) error {
	for pause := retryFirst; len(s.batch) > 0; pause = min(2*pause, retryLongest) {
		seq, err := s.bus.PublishBatch(ctx, s.batch, bus.Fence{Filter: s.filter, LastSeq: s.fence})
		if err == nil {
			s.done(seq)
			return nil
		}
		if !errors.Is(err, bus.ErrUnavailable) && !errors.Is(err, bus.ErrConflict) && !errors.Is(err, bus.ErrDuplicate) {
			return err
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		before := s.through
		if located := s.locate(ctx); located != nil && !errors.Is(located, bus.ErrUnavailable) {
			return located
		}
		switch {
		case s.through == s.last:
			s.done(s.fence)
		case s.through != before:
			return fmt.Errorf("somebody else publishes to %s: %w", bus.ReplayStream(s.name), err)
		}
	}
	return nil
}

func (s *stream) done(seq uint64) {
	s.fence, s.stored, s.through = seq, seq, s.last
	s.batch, s.size = s.batch[:0], 0
}

func (s *stream) finish(context.Context) error { return nil }
func (s *stream) close() error                 { return nil }
