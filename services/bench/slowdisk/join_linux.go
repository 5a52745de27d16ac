package slowdisk

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// held are the system calls that are held up. Who writes to files that sync by themselves is
// not: see SyncsByItself.
var held = []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_MSYNC, unix.SYS_SYNC_FILE_RANGE}

// Join puts this process, all of its threads and all that it starts under the keeper at the
// other end of the socket. It cannot be undone.
func Join() error {
	// The flag that allows a filter is set for one thread, the filter then for all.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("slow the disk down: %w", err)
	}
	program := filter()
	described := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	flags := unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags), uintptr(unsafe.Pointer(&described)))
	if errno != 0 {
		return fmt.Errorf("slow the disk down: %w: %w", ErrUnsupported, errno)
	}
	err := unix.Sendmsg(Descriptor, []byte{0}, unix.UnixRights(int(listener)), nil, 0)
	if err != nil {
		return fmt.Errorf("slow the disk down: tell the keeper: %w", err)
	}
	// The keeper has the listener now.
	_ = unix.Close(int(listener))
	_ = unix.Close(Descriptor)
	return nil
}

// filter is the program that the kernel runs for each system call: it looks at the call's
// number, which stands first.
func filter() []unix.SockFilter {
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}}
	for i, call := range held {
		// From here the last instruction is as many further as there are calls after this one, and one.
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(len(held) - i), K: call})
	}
	return append(program,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
}
