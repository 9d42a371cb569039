// Package plan decides what a run of chaos does, and what it may be refused while it
// does it. A sequence of steps is a function of its seed; what is promised at a moment
// is a function of the steps and of when they were done. Nothing here knows a process,
// a clock or the product: what a plugin says of itself must never excuse it.
package plan

import "fmt"

const (
	// Nodes are Vault's, in one Raft cluster.
	Nodes = 3
	// Hosts are those of the control plane: each has a plugin, an API server that uses
	// it, and links of its own to every Vault node.
	Hosts = 2
)

// State is that of a process or of a link.
type State int

// A process is up, down (killed, to be started), paused (SIGSTOP) or, if it is a Vault
// node, sealed. A link is up, cut (refuses connections) or hung (answers vanish).
const (
	Up State = iota
	Down
	Paused
	Sealed
	Cut
	Hung
)

// Host is one control-plane node.
type Host struct {
	API, Plugin State
	Links       [Nodes]State
	// Holds says that the plugin has been given the key since it was started; it keeps
	// nothing over its end. Known is the newest version of the key that it is sure to
	// hold then.
	Holds bool
	Known int
}

// World is the state of everything, as the steps have made it.
type World struct {
	Vault [Nodes]State
	Hosts [Hosts]Host
	// Version is the newest version of the key.
	Version int
}

// Whole is a world in which nothing is wrong.
func Whole() World {
	w := World{Version: 1}
	return w.settled()
}

// Quorum reports whether Vault can serve at all.
func (w *World) Quorum() bool {
	up := 0
	for _, state := range w.Vault {
		if state == Up {
			up++
		}
	}
	return up > Nodes/2
}

// Reaches reports whether a host's plugin, if it is up, is served by Vault.
func (w *World) Reaches(host int) bool {
	for node, link := range w.Hosts[host].Links {
		if link == Up && w.Vault[node] == Up {
			return w.Quorum()
		}
	}
	return false
}

// sees reports whether a host's plugin runs and is served by Vault.
func (w *World) sees(host int) bool { return w.Hosts[host].Plugin == Up && w.Reaches(host) }

// Serves reports whether a host's plugin has what it needs, with or without Vault.
func (h *Host) Serves() bool { return h.Plugin == Up && h.Holds }

// Current reports whether a host's plugin can open whatever any plugin has sealed.
func (w *World) Current(host int) bool {
	return w.Hosts[host].Serves() && w.Hosts[host].Known == w.Version
}

// settled is the world once every plugin that Vault serves has noticed.
func (w *World) settled() World {
	next := *w
	for i := range next.Hosts {
		if h := &next.Hosts[i]; w.sees(i) {
			h.Holds, h.Known = true, w.Version
		}
	}
	return next
}

// Faults counts what is wrong; the links of one host count once.
func (w World) Faults() int {
	n := 0
	for _, state := range w.Vault {
		if state != Up {
			n++
		}
	}
	for _, h := range w.Hosts {
		if h.API != Up {
			n++
		}
		if h.Plugin != Up {
			n++
		}
		if h.Links != [Nodes]State{} {
			n++
		}
	}
	return n
}

// hostName is how a host is called.
func hostName(host int) string { return "abcdefgh"[host : host+1] }

// nodeName is how a Vault node is called, or all of them.
func nodeName(node int) string {
	if node == All {
		return "every Vault node"
	}
	return fmt.Sprintf("Vault node %d", node)
}
