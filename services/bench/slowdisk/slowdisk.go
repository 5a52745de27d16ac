// Package slowdisk lets a process find the disk slower than it is: every system call that
// returns once something is on disk takes some time more, and nothing else does.
//
// The kernel holds these calls up (seccomp, with a notification to user space) until another
// process, the keeper, lets them go on as they are. The keeper waits for each as long as it
// was told to, for several at a time. Neither process is traced or stopped.
package slowdisk

import "errors"

// Descriptor is the file descriptor of the socket between the two, in both processes.
const Descriptor = 3

// ErrUnsupported means that disks cannot be slowed down on this system.
var ErrUnsupported = errors.New("a slower disk can be had on Linux alone, from 5.7 on")
