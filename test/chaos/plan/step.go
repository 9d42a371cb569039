package plan

import (
	"fmt"
	"time"
)

// Part is what a step is done to.
type Part int

// Parts.
const (
	Link   Part = iota // between Host's plugin and the Vault node Node, or all of them
	Vault              // the Vault node Node
	Plugin             // of Host
	API                // of Host
	Key                // in Vault
	Token              // of Host's plugin
)

// All stands for every Vault node.
const All = -1

// Action is what is done.
type Action string

// Actions. Heal, start, resume and unseal undo what stands above them.
const (
	DoCut     Action = "cut"
	DoHang    Action = "hang"
	DoKill    Action = "kill"
	DoPause   Action = "pause"
	DoSeal    Action = "seal"
	DoHeal    Action = "heal"
	DoStart   Action = "start"
	DoResume  Action = "resume"
	DoUnseal  Action = "unseal"
	DoRestart Action = "restart"
	DoRotate  Action = "rotate"
	DoRevoke  Action = "revoke"
)

// Step is one thing that is done.
type Step struct {
	Action     Action
	Part       Part
	Host, Node int
	// Hasty steps are followed by the next one before anybody has noticed them.
	Hasty bool
	// Dwell is how long things stay as they are after it.
	Dwell time.Duration
}

func (s Step) String() string {
	what := string(s.Action) + " "
	switch s.Part {
	case Link:
		what += "the link of host " + hostName(s.Host) + " to " + nodeName(s.Node)
	case Vault:
		what += nodeName(s.Node)
	case Plugin:
		what += "the plugin of host " + hostName(s.Host)
	case API:
		what += "the API server of host " + hostName(s.Host)
	case Key:
		what += "the key"
	case Token:
		what += "the token of the plugin of host " + hostName(s.Host)
	}
	switch {
	case s.Hasty:
		what += ", in haste"
	case s.Dwell > 0:
		what += fmt.Sprintf(", then wait %v", s.Dwell)
	}
	return what
}

// becomes is the state that an action leaves a process or a link in.
func (a Action) becomes() State {
	switch a {
	case DoKill:
		return Down
	case DoPause:
		return Paused
	case DoSeal:
		return Sealed
	case DoCut:
		return Cut
	case DoHang:
		return Hung
	default:
		return Up
	}
}

// After is the world once a step is done.
func (w World) After(s Step) World {
	h := &w.Hosts[s.Host]
	switch s.Part {
	case Link:
		for node := range h.Links {
			if s.Node == node || s.Node == All {
				h.Links[node] = s.Action.becomes()
			}
		}
	case Vault:
		w.Vault[s.Node] = s.Action.becomes()
	case Plugin:
		h.Plugin = s.Action.becomes()
		if s.Action == DoKill || s.Action == DoRestart {
			h.Holds, h.Known = false, 0
		}
	case API:
		h.API = s.Action.becomes()
	case Key:
		w.Version++
	case Token:
		// The plugin logs in again, without an effect on callers.
	}
	if s.Hasty {
		return w
	}
	return w.settled()
}

// choice is a step that is possible, and how likely it is compared with others.
type choice struct {
	Step

	weight int
}

// undo weighs more than any fault, so that faults come and go.
const undo = 12

// choices are the steps that are possible in a world, in a fixed order. What a
// guarantee excludes in the first place is not among them: a plugin is not ended while
// Vault does not serve it, for it keeps nothing and would come back with nothing; an API
// server is not started while its plugin cannot open everything, for it would not
// become ready; and one of them always runs, for else there is no load.
func (w *World) choices() []choice {
	var all []choice
	add := func(weight int, action Action, part Part, host, node int) {
		all = append(all, choice{Step{Action: action, Part: part, Host: host, Node: node}, weight})
	}
	more := w.Faults() < maxFaults
	w.vaultChoices(more, add)
	for host := range w.Hosts {
		w.linkChoices(host, more, add)
		w.pluginChoices(host, more, add)
		w.apiChoices(host, more, add)
	}
	if w.Quorum() {
		add(6, DoRotate, Key, 0, 0)
		for host := range w.Hosts {
			add(3, DoRevoke, Token, host, 0)
		}
	}
	return all
}

type adder func(weight int, action Action, part Part, host, node int)

func (w *World) vaultChoices(more bool, add adder) {
	for node, state := range w.Vault {
		switch {
		case state == Down:
			add(undo, DoStart, Vault, 0, node)
		case state == Paused:
			add(undo, DoResume, Vault, 0, node)
		case state == Sealed:
			add(undo, DoUnseal, Vault, 0, node)
		case more:
			for _, fault := range []Action{DoKill, DoPause, DoSeal} {
				add(3, fault, Vault, 0, node)
			}
		}
	}
}

func (w *World) linkChoices(host int, more bool, add adder) {
	links := w.Hosts[host].Links
	if links == [Nodes]State{} && more {
		add(6, DoCut, Link, host, All)
		add(4, DoHang, Link, host, All)
	}
	if links != [Nodes]State{} {
		add(undo, DoHeal, Link, host, All)
	}
	for node, state := range links {
		switch {
		case state != Up:
			add(2, DoHeal, Link, host, node)
		case more:
			add(1, DoCut, Link, host, node)
			add(1, DoHang, Link, host, node)
		}
	}
}

func (w *World) pluginChoices(host int, more bool, add adder) {
	switch state := w.Hosts[host].Plugin; {
	case state == Down:
		add(undo, DoStart, Plugin, host, 0)
	case state == Paused:
		add(undo, DoResume, Plugin, host, 0)
	case more:
		add(2, DoPause, Plugin, host, 0)
		if w.Reaches(host) {
			add(3, DoKill, Plugin, host, 0)
			add(4, DoRestart, Plugin, host, 0)
		}
	}
}

func (w *World) apiChoices(host int, more bool, add adder) {
	others := false
	for i, h := range w.Hosts {
		others = others || i != host && h.API == Up
	}
	up := w.Hosts[host].API == Up
	if !up && w.Current(host) {
		add(undo, DoStart, API, host, 0)
	}
	if up && others && more {
		add(2, DoKill, API, host, 0)
	}
	if up && others && w.Current(host) {
		add(8, DoRestart, API, host, 0)
	}
}
