package lifecycle

import (
	"context"
	"strings"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// toldBefore reports whether a delivery that was told to be unhandled, and is handled once more, has come to
// nothing else: its outcome stays, also where its body has expired since.
func toldBefore(ctx context.Context, name event.OutcomeName) bool {
	request, again := bus.RedriveOf(ctx)
	return again && request.Outcome > 0 && (name == event.Unhandled || name == event.ExpiredUnprocessed)
}

// gone tells the outcome of a delivery that was given up and has left its stream before it was handled once more.
func (w *worker) gone(ctx context.Context, letter bus.DeadLetter) error {
	return w.tell(ctx, delivery{
		Webhook: event.Webhook{ID: letter.EventID, Provider: w.provider.Name, Event: letter.Subject[strings.LastIndex(letter.Subject, ".")+1:]},
		seq:     letter.Sequence,
	}, event.ExpiredUnprocessed, nil)
}
