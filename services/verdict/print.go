package main

import (
	"encoding/json"
	"io"
	"os"
)

// writeIndented prints a result as JSON.
func writeIndented(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// onTerminal reports whether somebody looks at what a file is written.
func onTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
