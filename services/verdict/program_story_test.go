package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is one running process of an installation. What it writes goes to two files.
type program struct {
	role  string
	cmd   *exec.Cmd
	ended chan struct{}
	// out and log are the files of what it says and what it logs.
	out, log string
}

// lifeline is a pipe that nobody writes to: its reading end tells a program that this process
// is gone.
var lifeline = sync.OnceValues(func() (*os.File, error) {
	read, write, err := os.Pipe()
	keptOpen = write
	return read, err
})

var keptOpen *os.File

// startProgram starts a command with nothing but the given environment.
func startProgram(role, path string, args, env []string, files string) (*program, error) {
	line, err := lifeline()
	if err != nil {
		return nil, err
	}
	p := &program{role: role, ended: make(chan struct{}), out: files + ".out", log: files + ".log"}
	out, err := os.Create(p.out)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append(slices.Clone(env), lifelineVariable+"=1")
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles = out, log, []*os.File{line}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // How it ended is in its state.
		close(p.ended)
	}()
	return p, nil
}

// stopWithin is how long an interrupted process may take to end.
const stopWithin = 5 * time.Second

// stop interrupts the process. It must end well, and in time.
func (p *program) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("interrupt %s: %w%s", p.role, err, p.tail())
	}
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		err := fmt.Errorf("%s has not stopped within %v%s", p.role, stopWithin, p.tail())
		return errors.Join(err, p.kill())
	}
	if status := p.cmd.ProcessState; !status.Success() {
		return fmt.Errorf("%s stopped with %v%s", p.role, status, p.tail())
	}
	return nil
}

// kill ends the process as a crash does.
func (p *program) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.role, err)
	}
	<-p.ended
	return nil
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

// killed tells whether the process was ended by SIGKILL.
func (p *program) killed() bool {
	if p.running() {
		return false
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// failed tells whether the process has ended by itself, and not well.
func (p *program) failed() bool {
	return !p.running() && !p.killed() && !p.cmd.ProcessState.Success()
}

// tailLines is how much of a log a failure shows.
const tailLines = 15

// tail is the end of the log, without what is for debugging.
func (p *program) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(line string) bool {
		return strings.Contains(line, "level=DEBUG")
	})
	return fmt.Sprintf("\n[%s]\n%s", p.role, strings.Join(lines[max(0, len(lines)-tailLines):], "\n"))
}
