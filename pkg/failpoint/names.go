// Package failpoint marks the places where a crash would hurt most, so that a
// test can put a crash exactly there.
//
// A binary built without the tag "failpoint" holds none of it: Hit is empty and
// disappears when it is inlined. Under the tag, the process kills itself with
// SIGKILL at the place named by VERDICT_FAILPOINT, so no deferred call, no
// flush and no signal handler runs: what is found afterwards is what was on
// disk. "name:3" means the third time the place is reached.
package failpoint

// Name names one place of a crash.
type Name string

const (
	// ReceiverStored: the delivery is durable; the provider has had no answer.
	ReceiverStored Name = "receiver.stored"

	// ReceiverPublished: the stream has acked what the spool holds; the spool does
	// not say so yet.
	ReceiverPublished Name = "receiver.published"

	// LifecycleCommitted: the state and its outbox rows are committed; nothing
	// of them is published, and the webhook is not acked.
	LifecycleCommitted Name = "lifecycle.committed"

	// LifecyclePublished: the stream has acked the events of the outbox; their
	// rows do not say so yet, and the webhook is not acked.
	LifecyclePublished Name = "lifecycle.published"

	// LifecycleMarked: the outbox rows are marked as published; the webhook is
	// not acked.
	LifecycleMarked Name = "lifecycle.marked"

	// ProjectorCommitted: the rows of the read model are committed; the message
	// is not acked.
	ProjectorCommitted Name = "projector.committed"
)

// Names holds every Name above. A name that is not in it is refused at start,
// since a test with a misspelt name would wait for a crash that never comes.
var Names = []Name{
	ReceiverStored,
	ReceiverPublished,
	LifecycleCommitted,
	LifecyclePublished,
	LifecycleMarked,
	ProjectorCommitted,
}
