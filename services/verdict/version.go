package main

import (
	"fmt"
	"io"
	"runtime"
)

// version is stamped by the build.
var version = "unversioned"

type versionCommand struct{}

// Run prints the version of the program and of the Go that built it.
func (versionCommand) Run(out io.Writer) error {
	_, err := fmt.Fprintf(out, "verdict %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
