package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are taken from below the range that the kernel hands out to outgoing
// connections (32768 and up by default), so that none of those takes the port
// of a server that is being restarted.
const (
	firstPort = 17000
	lastPort  = 31999
)

// ports hands out TCP ports on loopback. Each is kept for the cluster's life
// by a UDP socket of the same number: every cluster on this machine asks for
// that first, so two never choose the same port, a stopped server finds its
// own again, and nothing is left behind when the process dies.
type ports struct {
	mu   sync.Mutex
	held []net.PacketConn
}

// next returns an address on loopback on which no process listens.
func (p *ports) next() (string, error) {
	for range 200 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort+1))) //nolint:gosec // chance, not secrecy
		claim, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			_ = claim.Close()
			continue
		}
		_ = l.Close()
		p.mu.Lock()
		p.held = append(p.held, claim)
		p.mu.Unlock()
		return address, nil
	}
	return "", fmt.Errorf("find a free port between %d and %d on 127.0.0.1: none in 200 tries", firstPort, lastPort)
}

func (p *ports) release() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, c := range p.held {
		errs = append(errs, c.Close())
	}
	p.held = nil
	return errors.Join(errs...)
}

// retryStart starts something anew, on new ports, while a program that knows
// nothing of these claims has taken one in the moment before it was bound, or
// what was started could not wait for a slow machine.
func retryStart[T any](start func() (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		v, err := start()
		exit, ok := errors.AsType[*ExitError](err)
		if !ok || !exit.PortTaken() && !exit.Impatient() || attempt == 5 {
			return v, err
		}
	}
}
