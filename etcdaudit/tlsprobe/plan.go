package tlsprobe

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe/enumerate"
)

// Plan says what Run will do, before it does it.
type Plan struct {
	Passive   bool
	Listeners []PlannedListener
}

// PlannedListener is what one listener gets.
type PlannedListener struct {
	Target Target
	// Asked is the number of connections that were made before, to ask for the member list.
	// The numbers below include them.
	Asked int
	// Usual is the number of connections to an etcd whose port is as its URL says, that
	// asks for certificates where it speaks TLS, and lets in those that are given. AtMost is
	// the number where everything is answered. Neither counts the enumeration.
	Usual, AtMost int
	// Enumeration is the number of further connections that find versions, suites and
	// groups of an etcd with its defaults, EnumerationAtMost that for a server that accepts
	// everything; 0 if none are made.
	Enumeration, EnumerationAtMost int
	// Log are the kinds of lines that etcd may write.
	Log []LogLine
}

// LogLine is a kind of line in etcd's log. It is the same in 3.5, 3.6 and 3.7
// (server/embed/config_logging.go).
type LogLine struct {
	Level   string
	Message string
	// Error is how the field "error" begins, and Cause what the probe does that causes it.
	Error, Cause string
	// AtMost is how many there are of it.
	AtMost int
}

// enumerationOfEtcd is what an etcd of Go 1.24 or later with its defaults costs: five
// suites of TLS 1.2, three of 1.3, seven groups, and four refusals.
const enumerationOfEtcd = 19

// PlanOf says what Run would do.
func PlanOf(c Config) (Plan, error) {
	plan := Plan{Passive: c.Passive}
	addresses, err := c.merge()
	if err != nil {
		return Plan{}, err
	}
	for i, t := range c.Targets {
		plan.Listeners = append(plan.Listeners, c.planOf(t, addresses[i]))
	}
	return plan, nil
}

func (c Config) planOf(t Target, at address) PlannedListener {
	l := PlannedListener{Target: t}
	for _, asked := range c.Asked {
		if asked.at(t.Purpose, at) {
			l.Asked++
		}
	}
	own, given := 0, len(c.Given)
	if c.Own != nil {
		own = 1
	}
	if c.Passive {
		l.Usual = l.Asked + passiveConnections(t.Purpose, at.secure)
		l.AtMost = l.Usual
		return l
	}
	// One port after the other: first is asked of each in plaintext, plain follows if that is
	// answered, and each of gets is asked as nobody and as the auditor itself.
	var first, plain, each, gets int
	switch t.Purpose {
	case facts.ClientPort:
		first, plain, each, gets = 3, 7, 2, 7
	case facts.PeerPort:
		first, plain, each, gets = 1, 1, 2, 0
	case facts.MetricsPort:
		first, plain, each, gets = 1, 3, 0, 4
	}
	const handshakes, madeUp = 2, 3 // nobody, self-signed, forged issuer
	tls := handshakes + gets*(1+own)
	if each > 0 {
		tls += madeUp + each*(own+given)
	}
	l.AtMost = l.Asked + first + plain + tls
	if each > 0 {
		l.AtMost += madeUp
	}
	if t.Purpose == facts.ClientPort {
		l.AtMost++ // the member list, if the answer is not etcd's
		// The gateway as the others, if gRPC is not spoken to all.
		l.AtMost += madeUp - 1 + given
	}
	l.Usual = l.Asked + first + tls
	if !at.secure {
		l.Usual = l.Asked + first + plain + 1
	}
	refused := gets + 1
	if each > 0 {
		refused++
	}
	if c.Own == nil {
		refused += l.Asked
	}
	l.Log = c.logOf(t.Purpose, first, refused, each > 0)
	if c.Enumerate {
		l.EnumerationAtMost = enumerate.AtMost()
		if at.secure {
			l.Enumeration = enumerationOfEtcd
		}
	}
	return l
}

func passiveConnections(purpose facts.Purpose, secure bool) (n int) {
	n = len(passiveRequests(purpose))
	if secure {
		n++
	}
	return n
}

// logOf lists the lines that an etcd writes that asks for certificates. One that does not
// writes none of those about certificates, and one without TLS none at all.
func (c Config) logOf(purpose facts.Purpose, plaintext, none int, identities bool) []LogLine {
	message := "rejected connection on client endpoint"
	if purpose == facts.PeerPort {
		message = "rejected connection on peer endpoint"
	}
	line := func(n int, err, cause string) LogLine {
		return LogLine{Level: "warn", Message: message, Error: err, Cause: cause, AtMost: n}
	}
	// The enumeration shows the auditor's own certificate, or none, on each connection.
	own, enumeration := 0, 0
	if c.Enumerate {
		enumeration = enumerationOfEtcd
	}
	cause := "the self-signed certificate, and the one with a forged issuer"
	if c.Own == nil {
		none += enumeration
	} else {
		own = 3 + enumeration
		cause += "; the auditor's own as well, where this address trusts another CA"
	}
	lines := []LogLine{
		line(plaintext, "tls: first record does not look like a TLS handshake", "plaintext on a port of TLS"),
		line(none, "tls: client didn't provide a certificate", "connections without a certificate"),
	}
	if identities {
		lines = append(lines, line(2+own, "tls: failed to verify certificate: x509: certificate signed by unknown authority", cause))
	}
	if n := len(c.Given); n > 0 && identities {
		lines = append(lines, line(2*n, "", fmt.Sprintf("those of the %d certificates of --probe-cert that etcd refuses, with the reason", n)))
	}
	if c.Enumerate {
		lines = append(lines,
			line(2, "tls: client offered only unsupported versions", "TLS 1.0 and 1.1, where they are refused"),
			line(4, "tls: no cipher suite supported by both client and server", "the last offer of suites of each version, which the line lists"),
			line(enumerate.Groups(), "tls: no key exchanges supported by both client and server", "the groups that are refused"),
		)
	}
	return lines
}
