//go:build postgres

package postgrestest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// superuser is the role that the tests connect as.
const superuser = "verdict"

// Server is a PostgreSQL that no one else uses.
type Server struct {
	bin, dir   string
	credential *syscall.Credential // nil where this process may run the server as itself
	process    *os.Process
	ended      chan struct{}
	databases  atomic.Int64
}

// New makes a server with empty data and starts it. It must be ended with Close.
func New() (*Server, error) {
	bin, err := exec.Command("pg_config", "--bindir").Output()
	if err != nil {
		return nil, fmt.Errorf("find PostgreSQL: %w", err)
	}
	// The path of a socket must be short, and the server's user must be able to enter.
	dir, err := os.MkdirTemp("/tmp", "verdict-pg-")
	if err != nil {
		return nil, fmt.Errorf("make the directory of PostgreSQL: %w", err)
	}
	s := &Server{bin: strings.TrimSpace(string(bin)), dir: dir}
	if err := s.initialise(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// initialise makes the data and starts the server.
func (s *Server) initialise() error {
	if os.Geteuid() == 0 {
		if err := s.giveAway(); err != nil {
			return err
		}
	}
	initdb := s.command("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--username="+superuser, "--pgdata="+s.data())
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s.Start()
}

// giveAway chooses a user for the server, which refuses to run as root, and gives it the directory.
func (s *Server) giveAway() error {
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return err
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return err
		}
		s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
		return os.Chown(s.dir, int(uid), int(gid))
	}
	return errors.New("no user to run PostgreSQL as")
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	return cmd
}

// Start starts a server that was stopped, and returns when it accepts connections.
func (s *Server) Start() error {
	cmd := s.command("postgres", "-D", s.data(), "-F", "-k", s.dir, "-c", "listen_addresses=")
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	started, ready, ended := make(chan error, 1), make(chan error, 1), make(chan struct{})
	go func() {
		// The server is told of the death of the thread that started it: that must live as long as the server.
		runtime.LockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			ready <- awaitReady(log)
			_, _ = io.Copy(io.Discard, log) // until the server ends
			_ = cmd.Wait()                  // how it ended does not matter
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.process, s.ended = cmd.Process, ended
	return <-ready
}

// awaitReady reads the log up to the line that says that the server accepts connections.
func awaitReady(log io.Reader) error {
	var seen strings.Builder
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		seen.WriteString(line)
		if strings.Contains(line, "database system is ready to accept connections") {
			return nil
		}
		if err != nil {
			return fmt.Errorf("PostgreSQL ended early: %s", seen.String())
		}
	}
}

// Stop ends the server and every connection at once. What was committed is there when it starts again.
func (s *Server) Stop() error {
	if err := s.process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	<-s.ended
	return nil
}

// Close stops the server and removes its data.
func (s *Server) Close() error { return errors.Join(s.Stop(), os.RemoveAll(s.dir)) }

// NewDatabase makes an empty database that lives as long as the test, and returns its URL.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	s.exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.exec(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.url(name)
}

func (s *Server) url(database string) string {
	query := url.Values{"host": {s.dir}, "user": {superuser}}
	return "postgres:///" + database + "?" + query.Encode()
}

func (s *Server) exec(t testing.TB, statement string) {
	t.Helper()
	ctx := context.Background() // the test's own has ended when it cleans up
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
