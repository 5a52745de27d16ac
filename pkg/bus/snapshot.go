package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	snapshotSubject = "$JS.API.STREAM.SNAPSHOT."
	restoreSubject  = "$JS.API.STREAM.RESTORE."
	deleteSubject   = "$JS.API.STREAM.DELETE."

	// snapshotChunk is what one message of a snapshot holds, and snapshotWindow what may be under way.
	snapshotChunk  = 256 << 10
	snapshotWindow = 4 << 20
	// snapshotPatience is how long the next chunk, or the answer to one, may take. The broker reads and writes whole files meanwhile.
	snapshotPatience = 2 * time.Minute

	statusHeader      = "Status"
	descriptionHeader = "Description"
)

// Snapshot says what a stream held when it was copied. Config is the broker's own description.
type Snapshot struct {
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
	// Begun is when the stream was made, and Identity what StreamIdentity returned.
	Begun    time.Time `json:"begun"`
	Identity string    `json:"identity"`
}

// begunKey names, in the metadata of a stream that was restored, when the stream was made that was backed up. The broker takes it for a new one.
const begunKey = "verdict_begun"

// begun is when a stream was made: what was stored before belongs to another one.
func begun(info *jetstream.StreamInfo) time.Time {
	if at, err := time.Parse(time.RFC3339Nano, info.Config.Metadata[begunKey]); err == nil {
		return at
	}
	return info.Created
}

// keptMetadata is what a stream's metadata must keep when its settings change.
func keptMetadata(info *jetstream.StreamInfo) map[string]string {
	if at, ok := info.Config.Metadata[begunKey]; ok {
		return map[string]string{begunKey: at}
	}
	return nil
}

// Backup copies a stream with its consumers, as they are at one moment, while it is used: sequences and times stay. What it writes is for Restore, and
// whole only if Backup returns nil. Errors: ErrUnavailable, ErrNotFound, ErrRejected, and those of the writer.
func (b *Bus) Backup(ctx context.Context, stream string, to io.Writer) (Snapshot, error) {
	s, err := b.backup(ctx, stream, to)
	if err != nil {
		return Snapshot{}, fmt.Errorf("back up stream %s: %w", stream, err)
	}
	return s, nil
}

func (b *Bus) backup(ctx context.Context, stream string, to io.Writer) (Snapshot, error) {
	chunks := make(chan *nats.Msg, 2*snapshotWindow/snapshotChunk)
	inbox := nats.NewInbox()
	subscription, err := b.conn.ChanSubscribe(inbox, chunks)
	if err != nil {
		return Snapshot{}, classify(err)
	}
	defer func() { _ = subscription.Unsubscribe() }()
	request, err := json.Marshal(map[string]any{"deliver_subject": inbox, "chunk_size": snapshotChunk, "window_size": snapshotWindow})
	if err != nil {
		return Snapshot{}, err
	}
	var answer struct {
		Snapshot
		Error *jetstream.APIError `json:"error"`
	}
	if err := b.ask(ctx, snapshotSubject+stream, request, &answer); err != nil {
		return Snapshot{}, err
	}
	if answer.Error != nil {
		return Snapshot{}, classifyMissing(answer.Error)
	}
	info, err := b.streamInfo(ctx, stream)
	if err != nil {
		return Snapshot{}, err
	}
	answer.Begun, answer.Identity = begun(info).UTC(), info.Created.UTC().Format(time.RFC3339Nano)
	patience := time.NewTimer(snapshotPatience)
	defer patience.Stop()
	for {
		select {
		case <-ctx.Done():
			return Snapshot{}, ctx.Err()
		case <-patience.C:
			return Snapshot{}, fmt.Errorf("%w: the broker sends nothing", ErrUnavailable)
		case chunk := <-chunks:
			if len(chunk.Data) == 0 {
				return answer.Snapshot, endOfSnapshot(chunk)
			}
			if _, err := to.Write(chunk.Data); err != nil {
				return Snapshot{}, err
			}
			// The broker sends so many before it waits for this.
			if chunk.Reply != "" {
				if err := b.conn.Publish(chunk.Reply, nil); err != nil {
					return Snapshot{}, classify(err)
				}
			}
			patience.Reset(snapshotPatience)
		}
	}
}

// endOfSnapshot returns nil where the last message of a snapshot says that it is whole.
func endOfSnapshot(last *nats.Msg) error {
	status := last.Header.Get(statusHeader)
	if status == "" || status == fmt.Sprint(http.StatusNoContent) {
		return nil
	}
	return fmt.Errorf("%w: the broker gave up: %s %s", ErrUnavailable, status, last.Header.Get(descriptionHeader))
}

// Restore makes a stream of a backup, which must not exist. It is there as a whole afterwards, or not at all. Errors: ErrUnavailable, after which the stream may
// exist, ErrRejected, and those of the reader.
func (b *Bus) Restore(ctx context.Context, stream string, s Snapshot, from io.Reader) error {
	if err := b.restore(ctx, stream, s, from); err != nil {
		return fmt.Errorf("restore stream %s: %w", stream, err)
	}
	return nil
}

func (b *Bus) restore(ctx context.Context, stream string, s Snapshot, from io.Reader) error {
	config, err := s.restored()
	if err != nil {
		return err
	}
	request, err := json.Marshal(map[string]any{"config": config, "state": s.State})
	if err != nil {
		return err
	}
	var answer struct {
		Deliver string              `json:"deliver_subject"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err := b.ask(ctx, restoreSubject+stream, request, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return classify(answer.Error)
	}
	chunk := make([]byte, snapshotChunk)
	for {
		n, err := io.ReadFull(from, chunk)
		if n > 0 {
			if err := b.send(ctx, answer.Deliver, chunk[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	return b.send(ctx, answer.Deliver, nil)
}

// restored is the configuration of the stream that is made, with what it has to keep of the one that was.
func (s *Snapshot) restored() (map[string]any, error) {
	var config map[string]any
	if err := json.Unmarshal(s.Config, &config); err != nil {
		return nil, fmt.Errorf("%w: the backup's description of the stream is not readable", ErrRejected)
	}
	metadata, _ := config["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		config["metadata"] = metadata
	}
	metadata[begunKey] = s.Begun.Format(time.RFC3339Nano)
	return config, nil
}

// send sends a part of a restore and waits until the broker has it; nothing is the end.
func (b *Bus) send(ctx context.Context, to string, part []byte) error {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := b.ask(ctx, to, part, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return classify(answer.Error)
	}
	return nil
}

// ask sends a request of which the answer may take long, and reads the answer unless it is empty.
func (b *Bus) ask(ctx context.Context, subject string, request []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, snapshotPatience)
	defer cancel()
	reply, err := b.conn.RequestWithContext(ctx, subject, request)
	if err != nil {
		return classify(err)
	}
	if len(reply.Data) == 0 {
		return nil
	}
	if err := json.Unmarshal(reply.Data, answer); err != nil {
		return fmt.Errorf("%w: the broker's answer is not readable", ErrUnavailable)
	}
	return nil
}

// classifyMissing is classify for a request that names a stream.
func classifyMissing(err *jetstream.APIError) error {
	if err.ErrorCode == jetstream.JSErrCodeStreamNotFound {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return classify(err)
}

// ownStreams begin the names of all streams that Verdict makes.
var ownStreams = []string{"KYC_", "KV_KYC_"}

// Streams lists the streams of Verdict that there are, by name, those of replays and buckets included. Errors: ErrUnavailable.
func (b *Bus) Streams(ctx context.Context) ([]string, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	var names []string
	lister := b.js.StreamNames(ctx)
	for name := range lister.Name() {
		if slices.ContainsFunc(ownStreams, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			names = append(names, name)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list streams: %w", classify(err))
	}
	slices.Sort(names)
	return names, nil
}

// DropStream deletes a stream with all that it holds; one that does not exist is none. Errors: ErrUnavailable.
func (b *Bus) DropStream(ctx context.Context, stream string) error {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	err := b.ask(ctx, deleteSubject+stream, nil, &answer)
	if err == nil && answer.Error != nil && answer.Error.ErrorCode != jetstream.JSErrCodeStreamNotFound {
		err = classify(answer.Error)
	}
	if err != nil {
		return fmt.Errorf("delete stream %s: %w", stream, err)
	}
	return nil
}
