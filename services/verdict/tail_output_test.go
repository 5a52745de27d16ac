package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// What is appended to a file whose last line was cut short begins with a line of its own, and nothing else is changed.
func TestTailEndsTornLine(t *testing.T) {
	for was, want := range map[string]string{
		"":                       "b\n",
		"a\n":                    "a\nb\n",
		"a\n{\"sequence\":2,\"s": "a\n{\"sequence\":2,\"s\nb\n",
	} {
		path := filepath.Join(t.TempDir(), "printed")
		must(t, os.WriteFile(path, []byte(was), 0o600))
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
		must(t, err)
		must(t, endTorn(file))
		_, err = file.WriteString("b\n")
		must(t, errors.Join(err, file.Close()))
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q became %q, %v", was, got, err)
		}
	}
	if err := endTorn(&bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

// The position is kept when everything before it is written, and on the disk.
func TestTailSettlesBeforeThePosition(t *testing.T) {
	var out bytes.Buffer
	resume := filepath.Join(t.TempDir(), "position.json")
	settled := 0
	tail := tailer{cmd: &tailCommand{Resume: resume}, out: bufio.NewWriter(&out), position: tailPosition{Stream: bus.Verifications, Sequence: 1}}
	tail.settle = func() error {
		if settled++; out.String() != "a\n" {
			t.Errorf("%q is written when it is settled", out.String())
		}
		if _, err := os.Stat(resume); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the position was kept before that: %v", err)
		}
		return nil
	}
	must(t, tail.write([]byte("a\n")))
	must(t, tail.keep())
	if p, found, err := readTailPosition(resume); err != nil || !found || p.Sequence != 1 || settled != 1 {
		t.Errorf("settled %d times, kept %+v, %v", settled, p, err)
	}
	broken := errors.New("broken")
	tail.settle = func() error { return broken }
	tail.position.Sequence = 2
	if err := tail.keep(); !errors.Is(err, broken) {
		t.Errorf("what the disk does not keep: %v", err)
	}
	if p, _, err := readTailPosition(resume); err != nil || p.Sequence != 1 {
		t.Errorf("kept %+v, %v", p, err)
	}
}
