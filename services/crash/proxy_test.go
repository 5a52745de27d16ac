package crash

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestLine(t *testing.T) {
	l := newEcho(t)
	conn := dial(t, l)
	say(t, conn, "one")

	l.set(silent)
	if _, err := conn.Write([]byte("two")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent line passes on %d bytes, %v", n, err)
	}
	l.set(whole)
	hear(t, conn, "two")

	l.set(cut)
	hangsUp(t, conn)
	hangsUp(t, dial(t, l))
	l.set(whole)
	say(t, dial(t, l), "three")
}

// newEcho is a line to somebody who repeats everything.
func newEcho(t *testing.T) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // It ends with the connection.
			}()
		}
	}()
	l, err := newLine(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.close()
		listener.Close()
		<-ended
	})
	return l
}

func dial(t *testing.T, l *line) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	hear(t, conn, text)
}

func hear(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	heard := make([]byte, len(text))
	if _, err := io.ReadFull(conn, heard); err != nil || string(heard) != text {
		t.Fatalf("%q is heard, %v, not %q", heard, err, text)
	}
}

func hangsUp(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a cut line does not end the connection: %v", err)
	}
}
