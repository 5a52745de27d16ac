package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Entry is what the spool holds. The spool keeps the slices and the map: they must not be changed
// after Append, nor those that Read returns.
type Entry struct {
	Subject string
	Key     string // by which a reader recognises the entry when it comes twice
	Header  map[string][]string
	Data    []byte
	At      time.Time // when it was received
}

// A record is an entry in a file, little-endian:
//
//	 0  checksum  uint32  CRC-32C of all that follows, without the padding
//	 4  length    uint32  of the body
//	 8  index     uint64
//	16  durable   uint64  the last entry that was durable when this one was written
//	24  body      version, time in nanoseconds, subject, key, header, data
//	    padding   to a multiple of 8
//
// A file may hold older records behind its end: their indexes are too low.
const (
	headBytes = 24
	alignment = 8
	version   = 1
	// fixedBytes is the part of a body that has always the same length.
	fixedBytes = 1 + 8
	// entryBytes bounds one record.
	entryBytes = 64 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errRecord  = errors.New("the record cannot be read")
)

// record is a record whose checksum is right.
type record struct {
	index, durable uint64
	body           []byte
}

// bodySize returns the bytes of the body.
func (e *Entry) bodySize() int {
	n := fixedBytes + stringSize(e.Subject) + stringSize(e.Key) + uvarintSize(len(e.Header)) + len(e.Data)
	for name, values := range e.Header {
		n += stringSize(name) + uvarintSize(len(values))
		for _, value := range values {
			n += stringSize(value)
		}
	}
	return n
}

// size returns the bytes of the record.
func (e *Entry) size() int64 { return padded(headBytes + e.bodySize()) }

func padded(n int) int64 { return int64(n+alignment-1) / alignment * alignment }

// appendRecord appends an entry as a record.
func appendRecord(to []byte, e *Entry, index, durable uint64) []byte {
	begin := len(to)
	to = append(to, make([]byte, headBytes)...)
	to = append(to, version)
	to = binary.LittleEndian.AppendUint64(to, uint64(e.At.UnixNano()))
	to = appendString(to, e.Subject)
	to = appendString(to, e.Key)
	to = binary.AppendUvarint(to, uint64(len(e.Header)))
	for name, values := range e.Header {
		to = appendString(to, name)
		to = binary.AppendUvarint(to, uint64(len(values)))
		for _, value := range values {
			to = appendString(to, value)
		}
	}
	to = append(to, e.Data...)
	head := to[begin:]
	binary.LittleEndian.PutUint32(head[4:], uint32(len(head)-headBytes))
	binary.LittleEndian.PutUint64(head[8:], index)
	binary.LittleEndian.PutUint64(head[16:], durable)
	binary.LittleEndian.PutUint32(head, crc32.Checksum(head[4:], castagnoli))
	return append(to, make([]byte, padded(len(head))-int64(len(head)))...)
}

// parse returns the record at the beginning, and its size. It is false where there is none.
func parse(from []byte) (r record, size int64, ok bool) {
	if len(from) < headBytes {
		return record{}, 0, false
	}
	length := int64(binary.LittleEndian.Uint32(from[4:]))
	if length > int64(len(from)-headBytes) {
		return record{}, 0, false
	}
	end := headBytes + int(length)
	if crc32.Checksum(from[4:end], castagnoli) != binary.LittleEndian.Uint32(from) {
		return record{}, 0, false
	}
	r = record{
		index: binary.LittleEndian.Uint64(from[8:]), durable: binary.LittleEndian.Uint64(from[16:]),
		body: from[headBytes:end],
	}
	return r, padded(end), true
}

// received returns the time in a body, in seconds.
func received(body []byte) (uint32, error) {
	if len(body) < fixedBytes || body[0] != version {
		return 0, errRecord
	}
	return seconds(time.Unix(0, int64(binary.LittleEndian.Uint64(body[1:])))), nil
}

func seconds(at time.Time) uint32 { return uint32(at.Unix()) }

// decode returns the entry of a body, whose bytes it shares.
func decode(body []byte) (Entry, error) {
	if len(body) < fixedBytes || body[0] != version {
		return Entry{}, errRecord
	}
	e := Entry{At: time.Unix(0, int64(binary.LittleEndian.Uint64(body[1:])))}
	r := reader{rest: body[fixedBytes:]}
	e.Subject, e.Key = r.text(), r.text()
	names := r.number()
	if names > 0 && r.err == nil {
		e.Header = make(map[string][]string, names)
	}
	for range names {
		name := r.text()
		values := make([]string, r.number())
		for i := range values {
			values[i] = r.text()
		}
		if r.err == nil {
			e.Header[name] = values
		}
	}
	e.Data = r.rest
	return e, r.err
}

// reader takes values from the beginning of a body. After an error all of them are empty.
type reader struct {
	rest []byte
	err  error
}

// number is never more than the bytes that are left, each thing that it counts taking one.
func (r *reader) number() int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)-size) {
		r.rest, r.err = nil, errRecord
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *reader) text() string {
	n := r.number()
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}

func appendString(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

func stringSize(text string) int { return uvarintSize(len(text)) + len(text) }

func uvarintSize(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}
