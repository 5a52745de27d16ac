package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// heapGrowth is by how many percent the heap may grow before what is not used any more is
	// collected. What is in use is some tens of megabytes, and almost all that is allocated lives
	// for one webhook: with Go's default of 100 a seventh of the processor's time went into
	// collecting.
	heapGrowth = 200
	// leastRunning is how many goroutines may run at the least. One that waits for a sync of the
	// disk counts as running until the scheduler takes its place away, as late as ten milliseconds
	// after: with a place for each of two processors, the spool, the broker and the databases
	// left them idle half of the time. With 16 of them an event was in the stream after a third
	// of the time at 1,000 webhooks a second, and half as many again were held.
	leastRunning = 16
)

// tune sets Go's runtime to what Verdict does, which is to wait for disks. GOGC and GOMAXPROCS in
// the environment beat it.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(leastRunning, runtime.GOMAXPROCS(0)))
	}
}
