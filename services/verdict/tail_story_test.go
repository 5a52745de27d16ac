package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// What is printed with a position in a file is every event of the stream in order, whatever is killed and started again: the command, and
// everything else. Only after a crash of the command may events be printed again.
func TestTailGoesOn(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			in := startInstallation(t, f)
			must(t, in.start())
			printed := filepath.Join(in.dir, "printed")
			tail := startTail(t, in, printed, 0)
			traffic := startTraffic(in, loadSize)
			for i := range stops {
				traffic.awaitProgress((i + 1) * loadSize / (stops + 1))
				must(t, in.within("print more", func() error { return printedMore(printed, i*10) }))
				must(t, tail.kill())
				tail = startTail(t, in, printed, 0)
				must(t, in.kill())
				must(t, in.start())
			}
			must(t, traffic.wait())
			must(t, in.account())
			events, err := in.facts("KYC_VERIFICATIONS")
			must(t, err)
			must(t, in.within("print all", func() error { return printedAll(printed, events, stops) }))
			must(t, tail.stop())
			consumers, err := in.consumers("KYC_VERIFICATIONS")
			must(t, err)
			for _, c := range consumers {
				if c.Config.Durable == "" && c.Config.InactiveThreshold == 0 {
					t.Errorf("consumer %s stays", c.Name)
				}
			}
			must(t, in.stop())
		})
	}
}

// startTail appends what is printed to a file, as a shell would. The first one begins after a position.
func startTail(t *testing.T, in *installation, printed string, after uint64) *program {
	t.Helper()
	in.mu.Lock()
	in.starts++
	files := filepath.Join(in.dir, "logs", fmt.Sprintf("%02d-tail", in.starts))
	in.mu.Unlock()
	script := `exec verdict tail --json --after "$2" --resume "$0" >>"$1"`
	p, err := startProgram("tail", "/bin/sh", []string{"-c", script, filepath.Join(in.dir, "position.json"), printed, strconv.FormatUint(after, 10)}, in.environment(in.form.roles[0]), files)
	must(t, err)
	t.Cleanup(func() { must(t, p.kill()) })
	return p
}

// sequences reads the sequences that were printed. The last line may be cut short.
func sequences(printed string) ([]uint64, error) {
	text, err := os.ReadFile(printed)
	if err != nil {
		return nil, err
	}
	var list []uint64
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		var line struct {
			Sequence uint64 `json:"sequence"`
		}
		// A line that a crash has cut short is followed by itself as a whole.
		if json.Unmarshal(lines.Bytes(), &line) == nil {
			list = append(list, line.Sequence)
		}
	}
	return list, lines.Err()
}

func printedMore(printed string, than int) error {
	list, err := sequences(printed)
	if err == nil && len(list) <= than {
		err = fmt.Errorf("%d lines", len(list))
	}
	return err
}

// printedAll checks that the lines are the events, in order, going back at most so many times.
func printedAll(printed string, events []fact, crashes int) error {
	list, err := sequences(printed)
	if err != nil {
		return err
	}
	next, back := 0, 0
	for i, sequence := range list {
		if next == len(events) || sequence != events[next].Sequence {
			for next = 0; next < len(events) && events[next].Sequence != sequence; {
				next++
			}
			if back++; i == 0 || next == len(events) || sequence > list[i-1] || back > crashes {
				return fmt.Errorf("line %d tells of %d", i+1, sequence)
			}
		}
		next++
	}
	if next != len(events) {
		return fmt.Errorf("%d of %d events are printed", next, len(events))
	}
	return nil
}

// consumers are those of a stream.
func (in *installation) consumers(stream string) (consumers []*jetstream.ConsumerInfo, err error) {
	err = in.stream(stream, func(ctx context.Context, s jetstream.Stream) error {
		list := s.ListConsumers(ctx)
		for info := range list.Info() {
			consumers = append(consumers, info)
		}
		return list.Err()
	})
	return consumers, err
}
