package lifecycle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// StateSum is what was compared of one state, with a checksum: the same for the same verifications with the same signals, in whatever order
// they are. What was written meanwhile is compared again, and is in it each time.
type StateSum struct {
	Verifications uint64 `json:"verifications"`
	Signals       uint64 `json:"signals"`
	Sum           string `json:"sum"`
}

// recordSum sums up records; the zero value is that of none.
type recordSum struct {
	verifications, signals uint64
	total                  [2]uint64
}

// sumOf is the sum of one record, that of none where nothing was announced of it.
func sumOf(r *verification.Record) (recordSum, error) {
	if r.Version == 0 {
		return recordSum{}, nil
	}
	s := recordSum{verifications: 1, signals: uint64(len(r.Signals))}
	key := fmt.Sprintf("%s %t ", r.ID, r.Sandbox)
	put := func(value any) error {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("sum up %s: %w", r.ID, err)
		}
		hash := sha256.Sum256(append([]byte(key), text...))
		s.total[0] += binary.BigEndian.Uint64(hash[:8])
		s.total[1] += binary.BigEndian.Uint64(hash[8:16])
		return nil
	}
	for i := range r.Signals {
		if err := put(&r.Signals[i]); err != nil {
			return s, err
		}
	}
	return s, put(struct {
		Version int
		State   verification.State
	}{r.Version, r.State})
}

func (s *recordSum) add(o recordSum) {
	s.verifications, s.signals = s.verifications+o.verifications, s.signals+o.signals
	s.total[0], s.total[1] = s.total[0]+o.total[0], s.total[1]+o.total[1]
}

func (s *recordSum) subtract(o recordSum) {
	s.verifications, s.signals = s.verifications-o.verifications, s.signals-o.signals
	s.total[0], s.total[1] = s.total[0]-o.total[0], s.total[1]-o.total[1]
}

func (s *recordSum) told() StateSum {
	sum := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.total[0]), s.total[1])
	return StateSum{Verifications: s.verifications, Signals: s.signals, Sum: hex.EncodeToString(sum)}
}

// stateSums sums up both sides of a comparison. They are equal where nothing differs any more.
type stateSums struct {
	inUse, made recordSum
	// unequal are the sums of the verifications that differ: what they were is forgotten when they are compared again.
	unequal map[store.RecordKey][2]recordSum
}

// put takes in one verification of both sides.
func (s *stateSums) put(key store.RecordKey, inUse, made *verification.Record, differ bool) error {
	a, err := sumOf(inUse)
	if err != nil {
		return err
	}
	b, err := sumOf(made)
	if err != nil {
		return err
	}
	if before, known := s.unequal[key]; known {
		s.inUse.subtract(before[0])
		s.made.subtract(before[1])
		delete(s.unequal, key)
	}
	s.inUse.add(a)
	s.made.add(b)
	if differ && len(s.unequal) < maxDiffering {
		if s.unequal == nil {
			s.unequal = map[store.RecordKey][2]recordSum{}
		}
		s.unequal[key] = [2]recordSum{a, b}
	}
	return nil
}
