package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// Colours are for terminals alone, and only for those who want them.
func TestTailColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close() // A character device, as a terminal is.
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if !wantsColours(terminal) || wantsColours(file) || wantsColours(&bytes.Buffer{}) {
		t.Error("a terminal is not told from a file")
	}
	t.Setenv("NO_COLOR", "1")
	if wantsColours(terminal) {
		t.Error("NO_COLOR is not respected")
	}
	v := event.Verification{ID: "idenfy/id_verification/a", Status: verification.Approved, Version: 2}
	line := tailLine(bus.Stored{Seq: 7, Time: time.Unix(0, 0)}, &v, "approved", true)
	if want := "\x1b[32mapproved       \x1b[0m"; !strings.Contains(line, want) {
		t.Errorf("%q does not contain %q", line, want)
	}
}

// A message that cannot be read is told of, harmlessly, and what comes after it is printed; the position moves on.
func TestTailGoesOnBehindWhatCannotBeRead(t *testing.T) {
	v := event.NewVerification(verification.NewID("idenfy", "id_verification", "a"), verification.Case, verification.Change{
		Event: "approved", Version: 1, State: verification.State{Status: verification.Approved}, Signal: verification.Signal{At: time.Unix(0, 0)},
	})
	header, data, err := v.Encode("test", "approved", "")
	must(t, err)
	good := bus.Message{Header: header, Data: data}
	for _, asJSON := range []bool{false, true} {
		var out, errs bytes.Buffer
		tail := tailer{cmd: &tailCommand{JSON: asJSON}, out: bufio.NewWriter(&out), errs: &errs}
		for seq, m := range []bus.Message{good, {Data: []byte("\x1b[2J")}, {Header: header, Data: []byte("{")}, {Header: map[string][]string{"ce-id": {"%zz\x1b"}}}, good} {
			must(t, tail.print(bus.Stored{Message: m, Stream: bus.Verifications, Seq: uint64(seq) + 1}))
		}
		must(t, tail.keep())
		said := errs.String()
		if strings.Count(out.String(), "\n") != 2 || strings.Count(said, "\n") != 3 || strings.ContainsRune(said, '\x1b') ||
			!strings.Contains(said, "message 3 of KYC_VERIFICATIONS is left out") || tail.position.Sequence != 5 {
			t.Errorf("printed to %d\n%s\nand\n%q", tail.position.Sequence, out.String(), said)
		}
	}
}

// Where what was printed cannot be written, whoever goes on as he is told to misses nothing of it.
func TestTailGoesOnBehindWhatWasWritten(t *testing.T) {
	v := event.NewVerification(verification.NewID("idenfy", "id_verification", "a"), verification.Case, verification.Change{
		Event: "approved", Version: 1, State: verification.State{Status: verification.Approved}, Signal: verification.Signal{At: time.Unix(0, 0)},
	})
	header, data, err := v.Encode("test", "approved", "")
	must(t, err)
	var errs bytes.Buffer
	full, err := os.Open(os.DevNull) // Nothing can be written to what is open for reading.
	must(t, err)
	defer full.Close()
	tail := tailer{cmd: &tailCommand{}, out: bufio.NewWriter(full), errs: &errs, position: tailPosition{Stream: bus.Verifications, Sequence: 19}}
	must(t, tail.keep())
	must(t, tail.print(bus.Stored{Message: bus.Message{Header: header, Data: data}, Stream: bus.Verifications, Seq: 20}))
	if err := tail.keep(); err == nil {
		t.Error("what cannot be written is no error")
	}
	if tail.goOn(); !strings.Contains(errs.String(), "ended after 19 of KYC_VERIFICATIONS; go on with --after 19") {
		t.Errorf("it says %s", errs.String())
	}
}

// A position is one of the stream that it was kept for, and nothing was removed behind it.
func TestTailPositionFits(t *testing.T) {
	made := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name        string
		sequence    uint64
		first, last uint64
		made        time.Time
		want        string
	}{
		{"beginning", 0, 1, 9, made, ""},
		{"removed before anything was printed", 0, 5, 9, made, "--after 4"},
		{"nothing yet", 0, 0, 0, made, ""},
		{"end", 9, 5, 9, made, ""},
		{"just before the first", 4, 5, 9, made, ""},
		{"removed", 3, 5, 9, made, "--after 4"},
		{"beyond", 10, 5, 9, made, "ends at 9"},
		{"another stream", 9, 1, 9, made.Add(time.Second), "made anew"},
	} {
		p := tailPosition{Stream: bus.Verifications, Identity: streamIdentity(bus.StreamState{Created: made}), Sequence: c.sequence}
		err := p.fits(bus.StreamState{FirstSeq: c.first, LastSeq: c.last, Created: c.made})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTailPositionFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "position.json")
	if _, found, err := readTailPosition(file); found || err != nil {
		t.Errorf("without a file: %t, %v", found, err)
	}
	want := tailPosition{Stream: bus.Sandbox, Identity: "x", Sequence: 12}
	must(t, want.write(file))
	got, found, err := readTailPosition(file)
	if diff := cmp.Diff(want, got); err != nil || !found || diff != "" {
		t.Errorf("%t, %v\n%s", found, err, diff)
	}
	if err := want.write(filepath.Join(t.TempDir(), "missing", "position.json")); err == nil {
		t.Error("a position that cannot be kept is no error")
	}
}
