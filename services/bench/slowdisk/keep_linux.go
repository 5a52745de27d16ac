package slowdisk

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keepers is how many calls can be held up at the same time.
const keepers = 32

// notification is what the kernel says of a call, and response what it is told: struct
// seccomp_notif and seccomp_notif_resp. Of the call itself nothing is looked at.
type (
	notification struct {
		id         uint64
		pid, flags uint32
		call       [64]byte
	}
	response struct {
		id    uint64
		value int64
		err   int32
		flags uint32
	}
)

// Keep holds up the calls of the process that has joined at the other end of the socket, each
// for so long. It returns when nobody is left whose calls there could be.
func Keep(longer time.Duration) error {
	listener, err := receive()
	if err != nil {
		return fmt.Errorf("keep the disk slow: %w", err)
	}
	failed := make(chan error, keepers)
	for range keepers {
		go func() { failed <- keep(listener, longer) }()
	}
	for err == nil {
		// What is polled tells when the last process is gone; calls are received elsewhere.
		polled := []unix.PollFd{{Fd: int32(listener)}}
		n, pollErr := unix.Poll(polled, int(time.Second/time.Millisecond))
		switch {
		case errors.Is(pollErr, unix.EINTR):
		case pollErr != nil:
			err = pollErr
		case n > 0 && polled[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0:
			return nil
		}
		select {
		case err = <-failed:
		default:
		}
	}
	return fmt.Errorf("keep the disk slow: %w", err)
}

// receive returns what the other process has sent.
func receive() (int, error) {
	space := make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(int32(0)))))
	_, n, _, _, err := unix.Recvmsg(Descriptor, make([]byte, 1), space, 0)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(space[:n])
	if err != nil {
		return 0, err
	}
	if len(messages) != 1 {
		return 0, errors.New("the process has ended before it joined")
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return descriptors[0], nil
}

// keep lets one call after the other go on, in a thread of its own so that nothing but the
// clock decides when.
func keep(listener int, longer time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Timers of this thread are not put off to be handled together.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return err
	}
	for {
		var call notification
		switch errno := control(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&call)); errno {
		case 0:
		case unix.EINTR, unix.ENOENT: // The caller is gone.
			continue
		default:
			return errno
		}
		pause(longer)
		answer := response{id: call.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if errno := control(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&answer)); errno != 0 && errno != unix.ENOENT && errno != unix.EINTR {
			return errno
		}
	}
}

func pause(longer time.Duration) {
	if longer <= 0 {
		return
	}
	left := unix.NsecToTimespec(int64(longer))
	for errors.Is(unix.Nanosleep(&left, &left), unix.EINTR) {
		continue // The rest of it is in left.
	}
}

func control(descriptor int, request uint, argument unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(descriptor), uintptr(request), uintptr(argument))
	return errno
}
