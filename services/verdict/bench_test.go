package main

import (
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider/all"
)

// Whatever is asked for can be measured: no size is passed before it comes to it.
func TestBenchSizes(t *testing.T) {
	for _, cmd := range []benchCommand{{Seconds: 1}, {Seconds: 1, Quick: true}, {Seconds: 1, Large: true}} {
		config, err := cmd.config(all.Providers())
		must(t, err)
		if err := config.Check(); err != nil {
			t.Errorf("%+v: %v", cmd, err)
		}
	}
}
