// Package crash breaks a running Verdict again and again while the providers play, and holds
// what is left to every promise.
//
// It starts the built binary, in one process and in several, and lets the simulator send
// webhooks to it: some twice, some in another order, some with bad signatures. Meanwhile it
// kills processes, fills the disk, holds up what syncs to it, cuts the broker off and puts old
// databases back. A ledger keeps what each sender was answered. When everything has come to
// rest, ledger, streams and tables are compared with each other and with an oracle that folds
// the stored deliveries in one pass: see [Check] for the promises and [Counts] for the ways to
// break them.
//
// A run follows from its seed as far as it is ours to say: what is sent, which faults come in
// which order and how long they last. What the machine makes of it is its own.
package crash
