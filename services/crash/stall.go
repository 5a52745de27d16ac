//go:build linux

package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// stall holds a process up for some time: either each of its syncs takes very long, or it does
// not run at all. It returns errNotTraced, with nothing held up, where nobody may do the first.
func stall(p *program, pause time.Duration, syncsOnly bool) error {
	tracer, err := exec.LookPath("strace")
	if !syncsOnly || err != nil {
		if err := p.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(pause)
		return p.signal(syscall.SIGCONT)
	}
	delay := strconv.FormatInt((pause / 2).Microseconds(), 10)
	trace := exec.Command(tracer, "-qq", "-f", "-o", os.DevNull, "-p", strconv.Itoa(p.cmd.Process.Pid),
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter="+delay)
	trace.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if err := trace.Start(); err != nil {
		return fmt.Errorf("stall %s: %w", p.role, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = trace.Wait() // How it ended is in its state.
		close(ended)
	}()
	select {
	case <-ended:
		return fmt.Errorf("%w: %v", errNotTraced, trace.ProcessState)
	case <-time.After(pause):
	}
	if err := trace.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stall %s: %w", p.role, err)
	}
	<-ended
	return nil
}

var errNotTraced = errors.New("the process cannot be traced")
