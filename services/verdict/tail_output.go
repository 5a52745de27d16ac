package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// regular returns the output as a file of the disk, nil where it is something else.
func regular(out io.Writer) (*os.File, fs.FileInfo) {
	file, ok := out.(*os.File)
	if !ok {
		return nil, nil
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	return file, info
}

// endTorn ends the line that a crash or a full disk has cut short in the file that is appended to: what is printed now is not glued to it.
// Where the end of the file cannot be looked at, it does nothing.
func endTorn(out io.Writer) error {
	file, info := regular(out)
	if file == nil || info.Size() == 0 {
		return nil
	}
	// What is appended to need not be open for reading.
	reader, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		return nil //nolint:nilerr // There is none of this on other systems.
	}
	last := make([]byte, 1)
	_, err = reader.ReadAt(last, info.Size()-1)
	if err = errors.Join(err, reader.Close()); err == nil && last[0] != '\n' {
		_, err = file.WriteString("\n")
	}
	if err != nil {
		return fmt.Errorf("go on behind what was printed: %w", err)
	}
	return nil
}

// settle has the disk keep what was written to a file.
func settle(out io.Writer) error {
	file, _ := regular(out)
	if file == nil {
		return nil
	}
	return file.Sync()
}
