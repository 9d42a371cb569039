package cluster

import "syscall"

// childAttributes puts a process into a group of its own, so that Ctrl-C on a
// terminal reaches only the program that decides the order of stopping, and
// has the kernel kill it when the thread that started it ends: see launcher.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
