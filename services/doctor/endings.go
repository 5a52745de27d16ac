package doctor

import (
	"slices"

	"github.com/verdict-stream/verdict/pkg/store"
)

// rank orders the outcomes of accepted deliveries; 0 is none. One that comes later in the order stands.
type rank byte

var ranked = []string{"", store.OutcomeDead, store.OutcomeExpired, store.OutcomeUnhandled, store.OutcomeRepeat, store.OutcomeApplied}

// rankOf returns the rank of an outcome, false for one that no accepted delivery has.
func rankOf(outcome string) (rank, bool) {
	i := slices.Index(ranked, outcome)
	return rank(max(i, 0)), i >= 0
}

func (r rank) String() string {
	if r == 0 {
		return "none"
	}
	return ranked[r]
}

// applied is the rank of a delivery that made an event.
var applied, _ = rankOf(store.OutcomeApplied)

// endings has one byte for each delivery: the outcome that everything in the streams tells of (may), the one that the read model must know of at least (must),
// and whether the delivery is kept, and in the table.
type endings struct {
	first uint64
	bytes []byte
}

const (
	rankBits  = 3
	rankMask  = 1<<rankBits - 1
	keptBit   = 1 << 6
	listedBit = 1 << 7
)

func newEndings(first, last uint64) endings {
	if last < first {
		return endings{first: first}
	}
	return endings{first: first, bytes: make([]byte, last-first+1)}
}

// at returns the byte of a delivery, nil where none is kept for it.
func (e *endings) at(seq uint64) *byte {
	if seq < e.first || seq-e.first >= uint64(len(e.bytes)) {
		return nil
	}
	return &e.bytes[seq-e.first]
}

// tell notes an outcome, and whether the read model must know of it.
func (e *endings) tell(seq uint64, r rank, must bool) {
	b := e.at(seq)
	if b == nil {
		return
	}
	may, least := ranksOf(*b)
	may = max(may, r)
	if must {
		least = max(least, r)
	}
	*b = *b&(keptBit|listedBit) | byte(may) | byte(least)<<rankBits
}

func (e *endings) mark(seq uint64, bit byte) {
	if b := e.at(seq); b != nil {
		*b |= bit
	}
}

// ranksOf returns the outcome that the streams tell of, and the one that the read model must know of at least.
func ranksOf(b byte) (may, must rank) { return rank(b & rankMask), rank(b >> rankBits & rankMask) }
