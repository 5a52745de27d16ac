package consume

import "slices"

// recover begins a time in which nothing new is begun: older messages may still come.
func (l *lanes) recover() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recovering = true
}

// recovered ends it: everything older is here.
func (l *lanes) recovered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recovering = false
	waiting := l.waiting
	l.waiting = nil
	slices.SortFunc(waiting, func(a, b *held) int { return bySequence(a, b.event.Sequence) })
	for _, h := range waiting {
		l.enqueue(h)
	}
}

func (l *lanes) isRecovering() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recovering
}

// counts returns how many messages that are not acked are known here, and how many acks were sent.
func (l *lanes) counts() (unacked, acked int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.bySequence) + l.deferred, l.acked
}

// room is how many more events may be held.
func (l *lanes) room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.maxUnacked - len(l.bySequence) - l.states
}

// waits is how many states of a snapshot are not handled yet.
func (l *lanes) waits() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.states
}

// recent remembers the last sequences that were done: an ack may be lost, and its message comes again.
type recent struct {
	limit int
	known map[uint64]struct{}
	order []uint64
	next  int
}

func (r *recent) has(sequence uint64) bool {
	_, known := r.known[sequence]
	return known
}

func (r *recent) add(sequence uint64) {
	if r.known == nil {
		r.known = map[uint64]struct{}{}
	}
	if r.has(sequence) {
		return
	}
	r.known[sequence] = struct{}{}
	if len(r.order) < r.limit {
		r.order = append(r.order, sequence)
		return
	}
	delete(r.known, r.order[r.next])
	r.order[r.next] = sequence
	r.next = (r.next + 1) % len(r.order)
}
