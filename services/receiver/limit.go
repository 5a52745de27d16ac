package receiver

// The bounds of a body, for who says beforehand what a receiver would answer.
const (
	// BodyLimit is the size of the largest body that is taken, where the broker does not take
	// less.
	BodyLimit = bodyLimit
	// HeldLimit is the size of the largest body that nothing vouches for: neither a signature
	// nor a URL token.
	HeldLimit = heldLimit
)
