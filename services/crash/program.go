//go:build linux

package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is one running process. What it logs goes to a file that all programs of its role
// share.
type program struct {
	role  string
	log   string
	cmd   *exec.Cmd
	ended chan struct{}

	mu     sync.Mutex
	wanted bool // whether it was us who ended it
}

// startProgram starts a command with nothing but the given environment. It does not outlive
// this process, however that ends.
func startProgram(role string, command, env []string, log string) (*program, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	defer out.Close()
	p := &program{role: role, log: log, cmd: exec.Command(command[0], command[1:]...), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = env, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	go func() {
		_ = p.cmd.Wait() // How it ended is in its state.
		close(p.ended)
	}()
	return p, nil
}

// kill ends the process as a power failure does.
func (p *program) kill() error {
	p.want()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.role, err)
	}
	<-p.ended
	return nil
}

// stopWithin is how long a process may take to end when it is asked to.
const stopWithin = 20 * time.Second

// stop asks the process to end. It must do so, well and in time.
func (p *program) stop() error {
	p.want()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.role, err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		return errors.Join(fmt.Errorf("%s has not stopped within %v", p.role, stopWithin), p.kill())
	}
	if state := p.cmd.ProcessState; !state.Success() {
		return fmt.Errorf("%s stopped with %v", p.role, state)
	}
	return nil
}

// signal sends a signal to the process.
func (p *program) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %s: %w", p.role, err)
	}
	return nil
}

func (p *program) want() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
}

// running tells whether the process has not ended.
func (p *program) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// died tells whether the process has ended although nobody wanted it to.
func (p *program) died() bool {
	if p.running() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.wanted
}

// tailLines is how much of a log a finding shows.
const tailLines = 8

// tail is the end of the log.
func (p *program) tail() string {
	written, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(written)), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n    ")
}
