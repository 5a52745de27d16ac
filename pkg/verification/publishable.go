package verification

import "regexp"

var (
	// plain is what a reference made by a machine looks like; anything else may be a name.
	plain = regexp.MustCompile(`^[\x21-\x7e]{1,128}$`)
	email = regexp.MustCompile(`@.`)
	// phone is a number as people write it: with a prefix, or with separators.
	phone = regexp.MustCompile(`^(?:(?:\+|00)[0-9().\-/]{7,24}|0[0-9]{8,11}|\(?[0-9]{2,5}\)?(?:[.\-/][0-9]{2,5}){2,6})$`)
)

// Publishable reports whether a reference that companies choose themselves may be published as it is: it does not look like an e-mail
// address, a phone number or text.
func Publishable(reference string) bool {
	return plain.MatchString(reference) && !email.MatchString(reference) && !phone.MatchString(reference)
}

// Pseudonymous returns a reference that companies choose themselves in the form that is published: as it is, or as a keyed hash, which is
// publishable itself. The same reference always gives the same hash, so that cases can still be linked.
func Pseudonymous(reference string, hash func(string) string) string {
	if reference == "" || Publishable(reference) {
		return reference
	}
	return hash(reference)
}
