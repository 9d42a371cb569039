//go:build unix && !linux

package cluster

import "syscall"

// childAttributes puts a process into a group of its own, so that Ctrl-C on a
// terminal reaches only the program that decides the order of stopping. These
// systems have no signal for a parent's death.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
