package verification

// class groups statuses by what may replace them.
type class int

const (
	nothing class = iota // no signal has set a status yet
	open                 // not final
	ended                // ended without a decision
	decided              // decided by the provider
	revoked              // a decision that was withdrawn
)

var classes = map[Status]class{
	"":      nothing,
	Pending: open, Processing: open, AwaitingReview: open,
	Canceled: ended, Expired: ended, Abandoned: ended,
	Approved: decided, Rejected: decided, Suspected: decided, Inconclusive: decided,
}

// standing is the class of a status by itself; only the phase of the signal that set it can
// tell a revoked one.
func standing(s Status) class { return classes[s] }

// classOf is the class of a status that a signal of the given phase has set.
func classOf(s Status, p Phase) class {
	if p == PhaseRevoked {
		return revoked
	}
	return standing(s)
}

// move is what a signal does to a verification.
type move int

const (
	keep    move = iota // the status stays: a deliberate no-op
	set                 // the status becomes what the signal says
	replace             // the same, over a final status: the event says what it supersedes
	change              // the same, over a different decision: decision_changed
	repeal              // the same, over a decision that is in force no longer
)

// guards say, for every kind, what a signal (column) does to a status (row). A status that is
// not final never replaces a final one; an ending never replaces a decision; a decision
// replaces an ending and an earlier decision. Opening an attempt comes before the guards.
var guards = [...][5]move{
	//         nothing open  ended    decided  revoked
	nothing: {keep, set, set, set, set},
	open:    {keep, set, set, set, set},
	ended:   {keep, keep, replace, replace, replace},
	decided: {keep, keep, keep, change, repeal},
	revoked: {keep, keep, keep, keep, replace},
}
