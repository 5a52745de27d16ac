package consume

import (
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// held is an event between its arrival and its ack.
type held struct {
	key string
	// event has nothing but its place until it is read, which the worker does.
	event Event
	read  bool
	// msg is the last delivery of it, nil for a state of a snapshot.
	msg      jetstream.Msg
	attempts int
}

// lane is one verification: what waits of it, in order.
type lane struct {
	key string
	// queue is held, in the order of the stream. Its first is the one that is handled or tried again.
	queue []*held
	// deferred are the sequences, in order, of what went back to the broker because the queue was full. Nothing after the first is handled
	// before that has come again.
	deferred []uint64
	// active tells that the first is with a worker, ready for one, or pausing.
	active bool
	retry  *time.Timer
}

// lanes hold the events of all verifications. It decides what may be handled when.
type lanes struct {
	maxUnacked, maxPerKey int
	heartbeat             time.Duration
	// deferFor is how long what went back stays away.
	deferFor time.Duration

	mu    sync.Mutex
	awake *sync.Cond
	byKey map[string]*lane
	ready []*lane
	// bySequence is what was delivered and is held; states counts what is held of a snapshot, deferred what went back.
	bySequence map[uint64]*held
	states     int
	deferred   int
	// acked counts acks.
	acked   int
	done    recent
	stopped bool
	// freed has a value after something was done.
	freed chan struct{}
	// rebound has a value after the time between heartbeats has changed.
	rebound chan struct{}

	// recovering tells that messages may be on their way, or wait at the broker, that are older than some that came: nothing new is begun
	// before they are here. waiting is what has come meanwhile.
	recovering bool
	waiting    []*held
}

func newLanes(c Config) *lanes {
	l := &lanes{
		maxPerKey: c.MaxPerKey, byKey: map[string]*lane{}, bySequence: map[uint64]*held{}, freed: make(chan struct{}, 1),
		rebound: make(chan struct{}, 1),
	}
	l.awake = sync.NewCond(&l.mu)
	l.bound(c.MaxUnacked, c.AckWait)
	return l
}

// bound sets what the consumer at the broker allows.
func (l *lanes) bound(maxUnacked int, ackWait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.maxUnacked = maxUnacked
	// Each has two heartbeats before its time is over, one of which may be lost.
	l.heartbeat = ackWait / 3
	l.deferFor = min(ackWait, longestDefer)
	l.done.limit = 2 * maxUnacked
	signal(l.rebound)
}

// longestDefer is the longest that a full queue has events stay away.
const longestDefer = 2 * time.Second

// take gets one delivery. What was delivered before is not handled twice.
func (l *lanes) take(h *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sequence := h.event.Sequence
	if l.done.has(sequence) {
		l.ack(h.msg)
		return
	}
	if before := l.bySequence[sequence]; before != nil {
		before.msg = h.msg
		return
	}
	if l.stopped {
		_ = h.msg.Nak() // What does not get through comes again by itself.
		return
	}
	l.bySequence[sequence] = h
	// What went back from here was in its place already, and everything older with it.
	if l.recovering && !l.wentBack(h) {
		l.waiting = append(l.waiting, h)
		return
	}
	l.enqueue(h)
}

// wentBack tells whether an event was here before, and was deferred.
func (l *lanes) wentBack(h *held) bool {
	of := l.byKey[h.key]
	if of == nil {
		return false
	}
	_, known := slices.BinarySearch(of.deferred, h.event.Sequence)
	return known
}

// ack tells the broker. An ack that is lost is repeated when the message comes again.
func (l *lanes) ack(msg jetstream.Msg) {
	l.acked++
	_ = msg.Ack() // What does not get through comes again, and is acked then.
}

// takeState gets one state of a snapshot.
func (l *lanes) takeState(h *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.states++
	l.enqueue(h)
}

func bySequence(h *held, sequence uint64) int {
	switch {
	case h.event.Sequence < sequence:
		return -1
	case h.event.Sequence > sequence:
		return 1
	}
	return 0
}

// enqueue puts an event where it belongs among those of its verification.
func (l *lanes) enqueue(h *held) {
	of := l.byKey[h.key]
	if of == nil {
		of = &lane{key: h.key}
		l.byKey[h.key] = of
	}
	if i, known := slices.BinarySearch(of.deferred, h.event.Sequence); known {
		of.deferred = slices.Delete(of.deferred, i, i+1)
		l.deferred--
	}
	at, _ := slices.BinarySearchFunc(of.queue, h.event.Sequence, bySequence)
	if of.active {
		at = max(at, 1) // The first is being handled.
	}
	of.queue = slices.Insert(of.queue, at, h)
	if last := of.queue[len(of.queue)-1]; len(of.queue) > l.maxPerKey && len(of.queue) > 1 && last.msg != nil {
		of.queue = of.queue[:len(of.queue)-1]
		l.deferEvent(of, last)
	}
	l.activate(of)
}

// deferEvent gives the latest event of a lane back for a while.
func (l *lanes) deferEvent(of *lane, h *held) {
	i, _ := slices.BinarySearch(of.deferred, h.event.Sequence)
	of.deferred = slices.Insert(of.deferred, i, h.event.Sequence)
	l.deferred++
	delete(l.bySequence, h.event.Sequence)
	_ = h.msg.NakWithDelay(l.deferFor) // What does not get through comes again after AckWait.
}

// activate lets a worker have the lane's first event if it is its turn, and forgets a lane that is empty.
func (l *lanes) activate(of *lane) {
	switch {
	case of.active || l.stopped:
	case len(of.queue) == 0 && len(of.deferred) == 0:
		delete(l.byKey, of.key)
	case len(of.queue) == 0 || len(of.deferred) > 0 && of.deferred[0] < of.queue[0].event.Sequence:
	default:
		of.active = true
		l.ready = append(l.ready, of)
		l.awake.Signal()
	}
}

// next waits for the next event to handle; there is none once the lanes are stopped.
func (l *lanes) next() (*lane, *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ready) == 0 && !l.stopped {
		l.awake.Wait()
	}
	if l.stopped {
		return nil, nil
	}
	of := l.ready[0]
	l.ready = l.ready[1:]
	return of, of.queue[0]
}

// delivery is the last delivery of what is held.
func (l *lanes) delivery(h *held) jetstream.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	return h.msg
}

// finish ends the first event of a lane: it is acked, or terminated where it was given up.
func (l *lanes) finish(of *lane, givenUp bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := of.queue[0]
	of.queue = slices.Delete(of.queue, 0, 1)
	of.active = false
	if h.msg == nil {
		l.states--
	} else {
		delete(l.bySequence, h.event.Sequence)
		l.done.add(h.event.Sequence)
		if givenUp {
			l.acked++
			_ = h.msg.TermWithReason("given up by the team") // As with an ack.
		} else {
			l.ack(h.msg)
		}
	}
	l.activate(of)
	signal(l.freed)
}

// again has the first event of a lane tried again after a pause.
func (l *lanes) again(of *lane, after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	of.retry = time.AfterFunc(after, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		of.active, of.retry = false, nil
		l.activate(of)
	})
}

func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// stop begins nothing more.
func (l *lanes) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for _, of := range l.byKey {
		if of.retry != nil {
			of.retry.Stop()
		}
	}
	l.awake.Broadcast()
}

// handBack gives everything that is held back to the broker, oldest first. No worker may be at it any more.
func (l *lanes) handBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sequences []uint64
	for sequence := range l.bySequence {
		sequences = append(sequences, sequence)
	}
	slices.Sort(sequences)
	for _, sequence := range sequences {
		_ = l.bySequence[sequence].msg.Nak() // What does not get through comes again after AckWait.
	}
}

// keepAlive tells the broker in time that what is held is still being worked on.
func (l *lanes) keepAlive(stop <-chan struct{}) {
	for {
		l.mu.Lock()
		interval := l.heartbeat
		messages := make([]jetstream.Msg, 0, len(l.bySequence))
		for _, h := range l.bySequence {
			messages = append(messages, h.msg)
		}
		l.mu.Unlock()
		for _, msg := range messages {
			_ = msg.InProgress() // One that was acked meanwhile refuses; one that does not get through is repeated.
		}
		select {
		case <-stop:
			return
		case <-l.rebound:
		case <-time.After(interval):
		}
	}
}
