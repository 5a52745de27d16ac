package doctor

import (
	"fmt"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// Fault is a way in which an event does not follow the one before it.
type Fault int

// The faults.
const (
	VersionAgain Fault = iota // the verification has that version already
	VersionGap                // it is not the next version
	TakenBack                 // a final status was taken back within an attempt
)

// Follows returns what is wrong with an event behind the one before it of its verification, nil where there was none, and where none was and the stream
// begins later than with the first one, whole is false.
func Follows(before, e *event.Verification, whole bool) []Fault {
	var faults []Fault
	last := 0
	if before != nil {
		last = before.Version
	}
	switch {
	case before == nil && !whole:
	case e.Version == last:
		faults = append(faults, VersionAgain)
	case e.Version != last+1:
		faults = append(faults, VersionGap)
	}
	// What a newer version reads, and whose a payload is, may say so.
	corrected := e.Reread || e.Signal.Disowned
	if before != nil && before.Final && !e.Final && e.Attempt <= before.Attempt && !corrected {
		faults = append(faults, TakenBack)
	}
	return faults
}

// name tells the verifications of the providers' test environments from the others.
func name(id string, sandbox bool) string {
	if sandbox {
		return "sandbox " + id
	}
	return id
}

// known is what is remembered of an event until the next one of its verification comes.
func known(key string, seq uint64, e *event.Verification, digest []byte) store.Known {
	flags := int64(e.Attempt) << 1
	if e.Final {
		flags |= 1
	}
	return store.Known{Key: key, Version: e.Version, Sequence: seq, Flags: flags, Digest: digest}
}

// remembered is the event that known was made of, as far as Follows looks at it.
func remembered(k store.Known) *event.Verification {
	return &event.Verification{Version: k.Version, Attempt: int(k.Flags >> 1), Final: k.Flags&1 == 1}
}

// explain says a fault.
func (f Fault) explain(key string, before, e *event.Verification, stream string, seq uint64) string {
	last := 0
	if before != nil {
		last = before.Version
	}
	switch f {
	case VersionAgain:
		return fmt.Sprintf("%s has version %d again at %d of %s", key, e.Version, seq, stream)
	case VersionGap:
		return fmt.Sprintf("%s has version %d behind version %d at %d of %s", key, e.Version, last, seq, stream)
	default:
		return fmt.Sprintf("%s became %s in version %d, after a final status of attempt %d", key, e.Status, e.Version, e.Attempt)
	}
}
