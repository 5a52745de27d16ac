package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// Position is how far the entries have been passed on.
type Position struct {
	Stream   string // which stream has them, as whoever passes them on names it
	Sequence uint64 // the stream's sequence of the last one
	Index    uint64 // the spool's index of the last one
}

const (
	positionName = "position"
	// slotBytes keeps two slots out of each other's disk block: a write that tears one leaves
	// the other.
	slotBytes = 4096
	// slotHeadBytes is the checksum, the turn, index and sequence, and the length of the stream.
	slotHeadBytes = 4 + 8 + 8 + 8 + 4
	// streamBytes keeps what is written to a slot within the 512 bytes that a disk writes at once.
	streamBytes = 400
)

// slots is the file of the position: written in turn, in place, and so without the metadata and
// the space that a new file would need.
type slots struct {
	file *os.File
	turn uint64 // of the last write
}

// openSlots opens or makes the file.
func openSlots(dir string) (*slots, Position, error) {
	file, err := os.OpenFile(filepath.Join(dir, positionName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, Position{}, err
	}
	s := &slots{file: file}
	content := make([]byte, 2*slotBytes)
	if n, _ := file.ReadAt(content, 0); n < len(content) {
		// It was never written whole, so never used.
		_, err := file.WriteAt(content, 0)
		if err := errors.Join(err, file.Sync()); err != nil {
			return s, Position{}, err
		}
		clear(content)
	}
	var position Position
	for i := range 2 {
		if p, turn, ok := decodeSlot(content[i*slotBytes:]); ok && turn > s.turn {
			position, s.turn = p, turn
		}
	}
	if s.turn == 0 && len(bytes.Trim(content, "\x00")) > 0 {
		return s, Position{}, fmt.Errorf("%w: %s cannot be read; restore the file, or move its directory away to go on without what it holds",
			ErrDamaged, file.Name())
	}
	return s, position, nil
}

// write replaces the older slot.
func (s *slots) write(p Position) error {
	if len(p.Stream) > streamBytes {
		return fmt.Errorf("the name of the stream has more than %d bytes", streamBytes)
	}
	slot := make([]byte, 4, slotHeadBytes+len(p.Stream))
	slot = binary.LittleEndian.AppendUint64(slot, s.turn+1)
	slot = binary.LittleEndian.AppendUint64(slot, p.Index)
	slot = binary.LittleEndian.AppendUint64(slot, p.Sequence)
	slot = binary.LittleEndian.AppendUint32(slot, uint32(len(p.Stream)))
	slot = append(slot, p.Stream...)
	binary.LittleEndian.PutUint32(slot, crc32.Checksum(slot[4:], castagnoli))
	if _, err := s.file.WriteAt(slot, int64((s.turn+1)%2)*slotBytes); err != nil {
		return err
	}
	s.turn++
	return nil
}

func (s *slots) sync() error { return syncData(s.file) }

func decodeSlot(slot []byte) (p Position, turn uint64, ok bool) {
	length := binary.LittleEndian.Uint32(slot[slotHeadBytes-4:])
	if length > streamBytes {
		return Position{}, 0, false
	}
	end := slotHeadBytes + int(length)
	if crc32.Checksum(slot[4:end], castagnoli) != binary.LittleEndian.Uint32(slot) {
		return Position{}, 0, false
	}
	p = Position{
		Index: binary.LittleEndian.Uint64(slot[12:]), Sequence: binary.LittleEndian.Uint64(slot[20:]),
		Stream: string(slot[slotHeadBytes:end]),
	}
	return p, binary.LittleEndian.Uint64(slot[4:]), true
}
