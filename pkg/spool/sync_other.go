//go:build !linux

package spool

import "os"

// syncData makes the content of a file durable.
func syncData(file *os.File) error { return file.Sync() }

// preallocate does nothing: the file grows as it is written.
func preallocate(*os.File, int64) error { return nil }
