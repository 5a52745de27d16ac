package projector

import (
	"container/list"
	"sync"

	"github.com/verdict-stream/verdict/pkg/store"
)

// basesKept bounds the events that are remembered in bases, at about a kilobyte each.
const basesKept = 16_384

// verificationKey names a verification: real ones and those of the sandbox have the same ids.
type verificationKey struct {
	id      string
	sandbox bool
}

// bases keeps the bases of the verifications that were settled last. It may forget those that nobody uses at any time: they are then read
// from the tables. It is safe for concurrent use.
type bases struct {
	mu    sync.Mutex
	known map[verificationKey]*list.Element // of *place
	order list.List                         // the one used last is the last
	kept  int
}

// place is that of a basis among the others.
type place struct {
	key   verificationKey
	basis *basis
	users int
	size  int
}

// with tells the basis of an event's verification of it, and has settle settle its claims, unless somebody else has done so for this
// event meanwhile. What was not settled is forgotten.
func (s *bases) with(e *store.EventRow, settle func(*basis) error) (err error) {
	p := s.take(verificationKey{id: e.Data.ID, sandbox: e.Sandbox})
	size := 0
	defer func() { s.giveBack(p, size) }()
	p.basis.tell(e)
	p.basis.Lock()
	defer p.basis.Unlock()
	settled := false
	defer func() {
		if !settled {
			p.basis.forget()
		}
		size = 1 + len(p.basis.versions)
	}()
	if news := p.basis.collect(); news || !p.basis.knows(e) {
		err = settle(p.basis)
	}
	settled = err == nil
	return err
}

// first has settle write an event with its claims, where nothing is known of its verification yet and nobody else has its basis. What was
// not settled is forgotten.
func (s *bases) first(e *store.EventRow, settle func(*basis) bool) {
	p := s.take(verificationKey{id: e.Data.ID, sandbox: e.Sandbox})
	size := sizeUnchanged
	defer func() { s.giveBack(p, size) }()
	if !p.basis.TryLock() {
		return
	}
	defer p.basis.Unlock()
	if !p.basis.untold() {
		return
	}
	settled := false
	defer func() {
		if !settled {
			p.basis.forget()
		}
		size = 1 + len(p.basis.versions)
	}()
	p.basis.learn(e)
	settled = settle(p.basis)
	p.basis.complete = settled
}

// forget forgets all. Nobody may use them meanwhile.
func (s *bases) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.kept = nil, 0
	s.order.Init()
}

func (s *bases) take(key verificationKey) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.known[key]
	if !ok {
		if s.known == nil {
			s.known = map[verificationKey]*list.Element{}
		}
		e = s.order.PushBack(&place{key: key, basis: newBasis()})
		s.known[key] = e
	}
	s.order.MoveToBack(e)
	p := e.Value.(*place)
	p.users++
	return p
}

// sizeUnchanged stands for the size that a basis had.
const sizeUnchanged = -1

// giveBack makes room for what the basis now takes.
func (s *bases) giveBack(p *place, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.users--
	if size != sizeUnchanged {
		s.kept += size - p.size
		p.size = size
	}
	for e := s.order.Front(); e != nil && s.kept > basesKept; {
		oldest, next := e.Value.(*place), e.Next()
		if oldest.users == 0 {
			s.kept -= oldest.size
			s.order.Remove(e)
			delete(s.known, oldest.key)
		}
		e = next
	}
}
