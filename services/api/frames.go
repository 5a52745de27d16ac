package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
)

// frames writes server-sent events. An error means that the caller has gone, or takes nothing.
type frames struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	buffer   bytes.Buffer
}

// newFrames prepares an answer that may last. Its headers are sent with what is written first.
func newFrames(w http.ResponseWriter, patience time.Duration) *frames {
	f := &frames{w: w, control: http.NewResponseController(w), patience: patience}
	// The bounds of short answers do not hold; each write has its own.
	_ = f.control.SetReadDeadline(time.Time{})
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", noStore)
	header.Set("X-Accel-Buffering", "no") // Proxies must not collect what is sent.
	return f
}

// begin says how soon to connect again, and where that would go on.
func (f *frames) begin(after uint64) error {
	fmt.Fprintf(&f.buffer, "retry: %d\nid: %d\n\n", streamRetry.Milliseconds(), after)
	return f.flush()
}

// events writes one frame for each event. JSON holds no line break, so the data is one line.
func (f *frames) events(rows []store.EventRow) error {
	if len(rows) == 0 {
		return nil
	}
	for _, row := range rows {
		data, err := json.Marshal(StreamEvent{row.Data, row.Sequence})
		if err != nil {
			return err
		}
		fmt.Fprintf(&f.buffer, "id: %d\nevent: %s\ndata: %s\n\n", row.Sequence, row.Published, data)
	}
	return f.flush()
}

// heartbeat writes a comment, and the position that was reached: a frame without data is no event, but whoever connects again begins
// there and spares us what he did not want.
func (f *frames) heartbeat(after uint64) error {
	fmt.Fprintf(&f.buffer, ": heartbeat\nid: %d\n\n", after)
	return f.flush()
}

func (f *frames) flush() error {
	_ = f.control.SetWriteDeadline(time.Now().Add(f.patience))
	_, err := f.buffer.WriteTo(f.w)
	if err != nil {
		return err
	}
	return f.control.Flush()
}
