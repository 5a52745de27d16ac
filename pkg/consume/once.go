package consume

import (
	"container/list"
	"context"
	"fmt"
	"sync"
)

// Seen is what a team keeps to know an event that it has handled: the highest version of each verification. Keep one for each of the two
// streams: a verification of the sandbox may have the id of another one.
type Seen interface {
	// Version returns the highest version that was handled, 0 if none was.
	Version(ctx context.Context, id string) (int, error)
	// Handled keeps a version that was handled.
	Handled(ctx context.Context, id string, version int) error
}

// Once calls the handler only for versions that are higher than what was seen, and keeps them once they are handled. An event that was handled
// by a process that died before it could keep that is handled again.
//
// Whoever has a database of his own can do better than any Seen: keep the version in the transaction that keeps what is made of the event, and
// both or neither are there. Where this changes no row the event was handled before:
//
//	INSERT INTO verdict_seen (id, version) VALUES ($1, $2)
//	ON CONFLICT (id) DO UPDATE SET version = excluded.version
//	WHERE verdict_seen.version < excluded.version
func Once(seen Seen, handle Handler) Handler {
	return func(ctx context.Context, e Event) error {
		version, err := seen.Version(ctx, e.ID)
		if err != nil {
			return fmt.Errorf("seen version: %w", err)
		}
		if e.Version <= version {
			return nil
		}
		if err := handle(ctx, e); err != nil {
			return err
		}
		if err := seen.Handled(ctx, e.ID, e.Version); err != nil {
			return fmt.Errorf("keep the seen version: %w", err)
		}
		return nil
	}
}

// Memory is a Seen that ends with the process and holds a bounded number of verifications. It suits effects that do no harm twice.
type Memory struct {
	limit int
	mu    sync.Mutex
	byID  map[string]*list.Element
	// order has the verification that was used last in front.
	order *list.List
}

type remembered struct {
	id      string
	version int
}

// NewMemory holds at most so many verifications; those that were not used for the longest time are forgotten.
func NewMemory(limit int) *Memory {
	return &Memory{limit: max(limit, 1), byID: map[string]*list.Element{}, order: list.New()}
}

// Version implements Seen; it never fails.
func (m *Memory) Version(_ context.Context, id string) (int, error) { return m.version(id), nil }

// Handled implements Seen; it never fails.
func (m *Memory) Handled(_ context.Context, id string, version int) error {
	m.put(id, version)
	return nil
}

func (m *Memory) version(id string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.byID[id]
	if at == nil {
		return 0
	}
	m.order.MoveToFront(at)
	return at.Value.(*remembered).version
}

func (m *Memory) put(id string, version int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.byID[id]; at != nil {
		at.Value.(*remembered).version = max(at.Value.(*remembered).version, version)
		m.order.MoveToFront(at)
		return
	}
	m.byID[id] = m.order.PushFront(&remembered{id, version})
	if m.order.Len() > m.limit {
		delete(m.byID, m.order.Remove(m.order.Back()).(*remembered).id)
	}
}
