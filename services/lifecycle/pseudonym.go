package lifecycle

import "github.com/verdict-stream/verdict/pkg/verification"

// Publishable is the rule of the engine, for those who tell what a lifecycle would do.
func Publishable(reference string) bool { return verification.Publishable(reference) }

// pseudonymous returns a reference that companies choose themselves in a form that may be
// published: as it is, or as a keyed hash.
func pseudonymous(reference string, hash func(string) string) string {
	return verification.Pseudonymous(reference, hash)
}
