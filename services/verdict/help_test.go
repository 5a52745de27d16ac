package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Every command shows how it is used.
func TestHelpHasExamples(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Vars{"bench_parts": ""})
	must(t, err)
	leaves := parser.Model.Leaves(true)
	for _, command := range leaves {
		if command.Name != "version" && !strings.Contains(command.Detail, "Example") {
			t.Errorf("verdict %s --help has no example", command.Path())
		}
	}
	if len(leaves) == 0 {
		t.Error("there are no commands")
	}
}
