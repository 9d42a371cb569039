package hostfacts

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// Listening is an address that a process listens on.
type Listening struct {
	// Address is host and port ("127.0.0.1:2379", "[::]:2379"), or the path of a socket.
	Address string
	// Shared is whether another socket of the same network namespace has the address too
	// (SO_REUSEPORT).
	Shared bool
}

// Listening returns the addresses that a process listens on, in its network namespace. The
// sockets are those that it has open, whoever made them.
func (p Processes) Listening(pid int) ([]Listening, error) {
	own, err := p.sockets(pid)
	if err != nil {
		return nil, err
	}
	namespace, err := procfs.NewFS(p.path(pid, ""))
	if err != nil {
		return nil, err
	}
	var found []Listening
	count := map[string]int{}
	for name, read := range map[string]func() (procfs.NetTCP, error){"net/tcp": namespace.NetTCP, "net/tcp6": namespace.NetTCP6} { //nolint:staticcheck // a recorded /proc has these files, and no netlink
		if !p.regular(pid, name) {
			continue
		}
		lines, err := read()
		if err != nil && !errors.Is(err, os.ErrNotExist) { // without IPv6 there is no tcp6
			return nil, fmt.Errorf("read the sockets of process %d: %w", pid, err)
		}
		const listen = 0x0A // TCP_LISTEN
		for _, line := range lines {
			if line.St != listen {
				continue
			}
			address := net.JoinHostPort(line.LocalAddr.String(), strconv.FormatUint(line.LocalPort, 10))
			count[address]++
			if own[line.Inode] {
				found = append(found, Listening{Address: address})
			}
		}
	}
	if p.regular(pid, "net/unix") {
		lines, err := namespace.NetUNIX()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read the Unix sockets of process %d: %w", pid, err)
		}
		const listens = 1 << 16 // __SO_ACCEPTCON
		for _, line := range rows(lines) {
			if line.Flags&listens != 0 && own[line.Inode] {
				found = append(found, Listening{Address: line.Path})
			}
		}
	}
	for i := range found {
		found[i].Shared = count[found[i].Address] > 1
	}
	slices.SortFunc(found, func(a, b Listening) int { return cmp.Compare(a.Address, b.Address) })
	return slices.Compact(found), nil
}

func rows(lines *procfs.NetUNIX) []*procfs.NetUNIXLine {
	if lines == nil {
		return nil
	}
	return lines.Rows
}

// sockets returns the inodes of the sockets that a process has open.
func (p Processes) sockets(pid int) (map[uint64]bool, error) {
	const most = 1 << 20 // an API server has a socket for each client
	entries, err := p.tree().readDir(within(pid, "fd"), most)
	if err != nil {
		return nil, err
	}
	open := map[uint64]bool{}
	for _, e := range entries {
		target, err := p.tree().readlink(within(pid, "fd/"+e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			if n, err := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 64); err == nil {
				open[n] = true
			}
		}
	}
	return open, nil
}
