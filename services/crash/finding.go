package crash

import (
	"fmt"
	"slices"
	"strings"
)

// Count is a way in which a promise can be broken.
type Count string

// The counts. All must be zero.
const (
	Lost        Count = "lost"         // answered with 200, and in no stream
	Doubled     Count = "doubled"      // stored or told more often than it was
	OutOfOrder  Count = "out of order" // stored or told in another order than it was accepted or made
	Regressed   Count = "regressed"    // a status or a table went back
	Unverified  Count = "unverified"   // accepted without the provider's signature
	Unexplained Count = "unexplained"  // accepted, and not ended in exactly one outcome
	Wrong       Count = "wrong"        // the state is not what the deliveries say
	Died        Count = "died"         // a process ended by itself
	Stuck       Count = "stuck"        // something did not recover without being started again
)

// Counts lists every count.
var Counts = []Count{Lost, Doubled, OutOfOrder, Regressed, Unverified, Unexplained, Wrong, Died, Stuck}

// Finding is one broken promise.
type Finding struct {
	Count Count
	What  string
}

// findings collects broken promises.
type findings []Finding

func (f *findings) add(count Count, format string, args ...any) {
	*f = append(*f, Finding{count, fmt.Sprintf(format, args...)})
}

// shownOfEach is how many findings of a count are shown; they mostly have one cause.
const shownOfEach = 5

// describe writes the first findings of each count.
func describe(list []Finding) string {
	var b strings.Builder
	for _, count := range Counts {
		of := slices.DeleteFunc(slices.Clone(list), func(f Finding) bool { return f.Count != count })
		for i, f := range of {
			if i == shownOfEach {
				fmt.Fprintf(&b, "  %s: and %d more\n", count, len(of)-i)
				break
			}
			fmt.Fprintf(&b, "  %s: %s\n", count, f.What)
		}
	}
	return b.String()
}
