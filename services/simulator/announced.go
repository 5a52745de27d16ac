package simulator

import (
	"context"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// maxTimeline is far above what the events of one verification of a story can be.
const maxTimeline = 16 << 20

// announced reports whether each signal of a verification was announced, and once, or once more
// for a copy that had come earlier and was handled later, whose time is the one that stands; if not,
// it says what is wrong. Where nothing was sent twice or out of order, the version tells, since
// every signal makes one event; else the events are looked at.
func (s *simulation) announced(ctx context.Context, id string, want provider.Expectation, version int) (wrong string) {
	switch {
	case version < want.Signals:
		return fmt.Sprintf("%d signals are not announced", want.Signals-version)
	case version == want.Signals && s.cfg.Duplicates == 0 && !s.cfg.Shuffle:
		return ""
	}
	var events []struct {
		Signal struct {
			ID  string
			Seq uint64
		}
	}
	if err := s.get(ctx, id+"/events", want.Sandbox, maxTimeline, &events); err != nil {
		return "its events: " + err.Error()
	}
	copies := map[string]uint64{}
	twice := 0
	for _, e := range events {
		if e.Signal.Seq == 0 {
			continue // No delivery brought it: a deadline that has passed, data that is gone.
		}
		if first, told := copies[e.Signal.ID]; told && e.Signal.Seq >= first {
			twice++
		}
		copies[e.Signal.ID] = e.Signal.Seq
	}
	switch {
	case twice > 0:
		return fmt.Sprintf("%d events announce a signal again", twice)
	case len(copies) != want.Signals:
		return fmt.Sprintf("%d signals are announced, of %d", len(copies), want.Signals)
	}
	return ""
}
