package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
)

// writePlan says what tls would send, and what etcd would log of it.
func writePlan(w io.Writer, plan tlsprobe.Plan) error {
	var out strings.Builder
	total := 0
	for _, l := range plan.Listeners {
		total += l.Usual + l.Enumeration
	}
	fmt.Fprintf(&out, "Plan: about %d connections to %d addresses, at most 20 a second to each.\n", total, len(plan.Listeners))
	fmt.Fprintf(&out, "Each is one read or none; nothing is written to etcd, and nothing enters raft's log.\n")
	if plan.Passive {
		fmt.Fprintf(&out, "Passive: only what a client of etcd would send.\n")
	} else {
		fmt.Fprintf(&out, "They carry the server name %s, but for one to each address.\n", tlsprobe.ServerName)
	}
	for _, l := range plan.Listeners {
		fmt.Fprintf(&out, "\n%s (%s; %s)\n", l.Target.URL, l.Target.Purpose, strings.Join(l.Target.Found, ", "))
		fmt.Fprintf(&out, "  connections: %d, at most %d\n", l.Usual, l.AtMost)
		if l.Asked > 0 {
			fmt.Fprintf(&out, "  of these made already, to ask for the member list: %d\n", l.Asked)
		}
		if l.Enumeration > 0 {
			fmt.Fprintf(&out, "  to find versions, suites and groups: %d, at most %d\n", l.Enumeration, l.EnumerationAtMost)
		}
		for _, line := range l.Log {
			fmt.Fprintf(&out, "  etcd may log, at most %d times: %s %q", line.AtMost, line.Level, line.Message)
			if line.Error != "" {
				fmt.Fprintf(&out, ", %q", line.Error)
			}
			fmt.Fprintf(&out, " (%s)\n", line.Cause)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}
