// Package durable writes files that are whole or as they were before, also after a power cut.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Unfinished ends the name of the file that Replace writes before it takes the place of the other; a crash may leave it behind, and the
// next Replace writes over it.
const Unfinished = ".part"

// Replace makes content that of the file, which need not be there yet. Nobody ever reads a part of it: when Replace returns nil the file
// and its name are on the disk, and until then, a crash included, it is either as it was or as it will be. It is for one writer at a time,
// and its owner's alone to read.
func Replace(path string, content []byte) error {
	unfinished := path + Unfinished
	file, err := create(unfinished)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(unfinished, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(unfinished))
	}
	return Sync(filepath.Dir(path))
}

func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

// Fresh begins the name of the file that Create writes beside the other; a crash may leave it behind.
const Fresh = ".new-"

// Create makes the file with the content, on the disk and whole or not at all, and reports whether it was this call that made it. A file that
// is there stays as it is, and that is no error: of all who try at once, exactly one wins. It is its owner's alone to read.
func Create(path string, content []byte) (mine bool, err error) {
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, Fresh+"*") // mode 0600
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return false, err
	}
	// A rename would replace the file of somebody who was faster; a link does not.
	err = os.Link(temp.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	return err == nil, Sync(folder)
}

// MakeDir makes the directory and the missing ones above it, on the disk and for their owner only. One that is there keeps its mode: it may be
// a mounted volume.
func MakeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is a file", dir)
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return Sync(parent)
}

// Copy makes a copy of a file, which is on the disk when Copy returns nil; its name is there for certain only after a [Sync] of its
// directory. It is its owner's alone to read.
func Copy(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Sync(), target.Close())
}

// Sync puts a file on the disk, or the names in a directory.
func Sync(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
