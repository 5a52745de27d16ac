package bench

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/verdict-stream/verdict/services/bench/slowdisk"
)

// keeper starts what keeps the disk slow for the next process, and returns that one's end of
// the socket between them.
func (in *installation) keeper() (*os.File, error) {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("slow the disk down: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(ends[0]), "keeper"), os.NewFile(uintptr(ends[1]), "joined")
	for _, end := range ends {
		syscall.CloseOnExec(end) // Only the one process that is given it has it.
	}
	defer ours.Close()
	command := []string{in.bench.binary, "bench-serve", roleKeeper, "--slow-by", in.slow.String()}
	p, err := spawn(roleKeeper, in.dir, command, nil, ours)
	if err != nil {
		theirs.Close()
		return nil, err
	}
	in.processes = append(in.processes, p)
	return theirs, nil
}

// addNothing measures what a keeper costs that adds nothing, for the roofline, which syncs for
// every webhook.
func (b *bench) addNothing(ctx context.Context) error {
	defer b.release()
	samples := map[time.Duration]*sample{}
	for _, slow := range []time.Duration{-1, 0} {
		var server *process
		in, err := b.startSlow(ctx, roleRoofline, slow, &server)
		if err != nil {
			return err
		}
		b.say("fsync: what it costs to add nothing, %v", b.Duration)
		l := in.load(fewSenders)
		l.duration = b.Duration
		if samples[slow], err = measure(ctx, server, l); err != nil {
			return err
		}
		in.remove()
	}
	b.report.figure(Row{
		Part: "fsync+0ms", Case: fmt.Sprintf("roofline, %d connections", fewSenders), Figure: "durable", Unit: "1/s",
		Value: samples[0].perSecond(), Baseline: samples[-1].perSecond(), Against: "as it is",
	})
	return nil
}

// heldUp returns an error where a process writes to disk in a way that is not held up.
func heldUp(p *process) error {
	past, err := slowdisk.SyncsByItself(p.pid())
	if err != nil {
		return err
	}
	if past {
		return fmt.Errorf("%s writes to a file that syncs by itself: its disk was not slow", p.name)
	}
	return nil
}
