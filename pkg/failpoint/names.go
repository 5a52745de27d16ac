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

	// ReprocessApplied: some verifications have taken over what their deliveries say
	// now; nothing of them is published, and the run does not say so.
	ReprocessApplied Name = "reprocess.applied"

	// ReprocessPublished: all that a run changed is in the stream; dead letters that
	// it makes needless are still open.
	ReprocessPublished Name = "reprocess.published"

	// RebuildCompared: a state that was made anew is whole; the former one is still
	// in use.
	RebuildCompared Name = "rebuild.compared"

	// RebuildRenamed: the former state is out of the way; the new one is not in its
	// place.
	RebuildRenamed Name = "rebuild.renamed"

	// RedriveHandled: a message that had been given up is done after all; its dead
	// letter is still open.
	RedriveHandled Name = "redrive.handled"

	// RedriveClosed: the letter is closed; the request is not acked.
	RedriveClosed Name = "redrive.closed"

	// RedriveReplaced: the message was given up once more, and its new letter is
	// durable; the one before is still open.
	RedriveReplaced Name = "redrive.replaced"

	// DeadTold: that a delivery is given up for good is told; its letter is still open.
	DeadTold Name = "dead.told"

	// HeldPublished: a delivery that was released is in the stream of deliveries; what
	// becomes of it is not told, and it is still held.
	HeldPublished Name = "held.published"

	// HeldTold: what becomes of a held delivery is told; it is still held.
	HeldTold Name = "held.told"

	// ArchiveWritten: the events and the latest ones are in the archive and were read
	// back; the stream still has them.
	ArchiveWritten Name = "archive.written"

	// ArchiveTrimmed: the stream has forgotten what is archived; the archive does not
	// say so yet.
	ArchiveTrimmed Name = "archive.trimmed"

	// BackupStream: one more stream is copied; the backup is not whole.
	BackupStream Name = "backup.stream"

	// RestoreFiles: the files are in their places; no stream is restored yet.
	RestoreFiles Name = "restore.files"

	// RestoreStream: one more stream is restored; the note of what is done does not say
	// so yet.
	RestoreStream Name = "restore.stream"
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
	ReprocessApplied,
	ReprocessPublished,
	RebuildCompared,
	RebuildRenamed,
	RedriveHandled,
	RedriveClosed,
	RedriveReplaced,
	DeadTold,
	HeldPublished,
	HeldTold,
	ArchiveWritten,
	ArchiveTrimmed,
	BackupStream,
	RestoreFiles,
	RestoreStream,
}
