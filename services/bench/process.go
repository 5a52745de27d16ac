package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// readyPatience is how long a process may take until it is ready.
	readyPatience = time.Minute
	readyPause    = 5 * time.Millisecond
	// stopPatience is how long a process may take to end by itself.
	stopPatience = 10 * time.Second
	// logShown is how much of a log is shown where a process has failed.
	logShown = 2000
)

// process is a child: a part of Verdict, or a baseline. It ends when this process does, since
// its standard input then ends.
type process struct {
	name     string
	cmd      *exec.Cmd
	lifeline io.Closer
	log      string
	ended    chan struct{}
}

// spawn starts a program with the environment and, if there is one, an open file.
func spawn(name, dir string, command, env []string, inherited *os.File) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(env, "PATH="+os.Getenv("PATH"), "TMPDIR="+dir), log, log
	if inherited != nil {
		p.cmd.ExtraFiles = []*os.File{inherited} // The first one is slowdisk.Descriptor.
	}
	// An interrupt from the terminal is for this process, which then ends its children.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.lifeline, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // How it ended does not matter: what it did is looked at.
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// ready returns once the URL is answered with 200, with how long that took.
func (p *process) ready(ctx context.Context, url string) (time.Duration, error) {
	start := time.Now()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return 0, fmt.Errorf("start %s: %w", p.name, err)
		}
		response, err := client.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return time.Since(start), nil
			}
		}
		if err := p.pause(ctx, start); err != nil {
			return 0, err
		}
	}
}

// pause waits a little; its error says that there is nothing to wait for any more.
func (p *process) pause(ctx context.Context, since time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ended:
		return fmt.Errorf("%s has ended:\n%s", p.name, p.tail())
	case <-time.After(readyPause):
	}
	if time.Since(since) > readyPatience {
		return fmt.Errorf("%s is not ready within %v:\n%s", p.name, readyPatience, p.tail())
	}
	return nil
}

func (p *process) tail() string {
	text, _ := os.ReadFile(p.log) // Without it the message is shorter.
	return string(text[max(0, len(text)-logShown):])
}

// stop ends the process as an operator does, or by force where it does not end.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // It may have ended.
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
	}
	p.kill()
}

// kill ends the process as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // It may have ended.
	<-p.ended
	p.lifeline.Close()
}

// The ports lie below those that systems give to outgoing connections, of which there are many
// here: else one of these might take the port of a process that is just being started again.
const (
	firstPort = 10240
	lastPort  = 32767
)

// freeAddr returns an address that nobody listens on.
func freeAddr() (string, error) {
	for range lastPort - firstPort {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		if listener, err := net.Listen("tcp", addr); err == nil {
			return addr, listener.Close()
		}
	}
	return "", errors.New("no port is free")
}
