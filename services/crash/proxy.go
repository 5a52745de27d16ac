package crash

import (
	"fmt"
	"net"
	"sync"
)

// line is what lies between a service and the broker. It can be cut, so that connections end
// and no new one comes about, and it can be silent: connections stay, and nothing arrives.
type line struct {
	listener net.Listener
	to       string
	ended    sync.WaitGroup

	mu    sync.Mutex
	moved *sync.Cond
	state lineState
	open  map[net.Conn]bool
}

type lineState int

const (
	whole lineState = iota
	cut
	silent
	gone
)

// newLine listens on an address of its own and leads to another one.
func newLine(to string) (*line, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("line to the broker: %w", err)
	}
	l := &line{listener: listener, to: to, open: map[net.Conn]bool{}}
	l.moved = sync.NewCond(&l.mu)
	l.ended.Go(l.accept)
	return l, nil
}

func (l *line) addr() string { return l.listener.Addr().String() }

// set changes what the line does.
func (l *line) set(state lineState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	if state == cut || state == gone {
		for conn := range l.open {
			conn.Close()
		}
	}
	l.moved.Broadcast()
}

// close ends the line and all that is on it.
func (l *line) close() {
	l.set(gone)
	l.listener.Close()
	l.ended.Wait()
}

func (l *line) accept() {
	for {
		from, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.ended.Go(func() { l.connect(from) })
	}
}

// connect leads one connection to the broker.
func (l *line) connect(from net.Conn) {
	defer from.Close()
	if !l.hold(from) {
		return
	}
	defer l.forget(from)
	to, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer to.Close()
	if !l.hold(to) {
		return
	}
	defer l.forget(to)
	var both sync.WaitGroup
	both.Go(func() { l.copy(to, from) })
	both.Go(func() { l.copy(from, to) })
	both.Wait()
}

// copy passes on what comes until either end is closed, and then closes the other.
func (l *line) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !l.pass() {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits while the line is silent, and returns false where it was cut.
func (l *line) pass() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.state == silent {
		l.moved.Wait()
	}
	return l.state == whole
}

// hold notes a connection that ends with a cut; false means that there is one now.
func (l *line) hold(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == cut || l.state == gone {
		return false
	}
	l.open[conn] = true
	return true
}

func (l *line) forget(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, conn)
}
