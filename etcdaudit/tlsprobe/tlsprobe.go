// Package tlsprobe connects to etcd's addresses and says what answered to whom. It
// judges nothing: it returns facts.Wire.
//
// It must never know a rule, write a key, or send what becomes an entry of raft's log: its
// requests are serializable Ranges of one key without its value, the member list and GETs.
package tlsprobe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// ServerName is the name that probes send (SNI), so that etcd's own log shows where its
// lines come from.
const ServerName = "etcdaudit-probe"

// DefaultPrefix is where an API server keeps its objects (--etcd-prefix).
const DefaultPrefix = "/registry/"

// Config says what is connected to, as whom.
type Config struct {
	Targets []Target
	// Asked are connections that were made before (see Members): they count towards the
	// limits of their listeners, and are shown.
	Asked []Asked
	// CA verifies what listeners serve, nil for none.
	CA *x509.CertPool
	// Own is the auditor's own client, nil for none; Given are those of --probe-cert.
	Own   *Identity
	Given []Identity
	// Prefix is that of Range; DefaultPrefix if it is empty.
	Prefix string
	// Passive sends only what a client of etcd would send.
	Passive bool
	// Enumerate finds all versions, suites and groups, which needs a connection for each.
	Enumerate bool
	Limits    Limits
	// Now tells the time, and Pause waits. Both may be nil for the system's clock.
	Now   func() time.Time
	Pause func(context.Context, time.Duration) error
}

// Limits bound what one listener is asked and what it may cost. A zero is the default.
type Limits struct {
	// Answer bounds one connection: 3 s.
	Answer time.Duration
	// Silence bounds the time that one listener may stay silent in total: 9 s.
	Silence time.Duration
	// Enumeration bounds all of it on one listener: 20 s.
	Enumeration time.Duration
	// Interval is the time between the starts of two connections to one listener: 50 ms.
	Interval time.Duration
	// Late is when the end of a connection without an alert comes too late to be a refusal at
	// once: 1 s.
	Late time.Duration
	// AtOnce is how many listeners are probed at the same time: 4.
	AtOnce int
}

func (c Config) withDefaults() Config {
	positive := func(d *time.Duration, fallback time.Duration) {
		if *d <= 0 {
			*d = fallback
		}
	}
	positive(&c.Limits.Answer, 3*time.Second)
	positive(&c.Limits.Silence, 9*time.Second)
	positive(&c.Limits.Enumeration, 20*time.Second)
	positive(&c.Limits.Interval, 50*time.Millisecond)
	positive(&c.Limits.Late, time.Second)
	if c.Limits.AtOnce <= 0 {
		c.Limits.AtOnce = 4
	}
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Pause == nil {
		c.Pause = pause
	}
	return c
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// LoadCA reads the certificates that listeners are verified with.
func LoadCA(file string) (*x509.CertPool, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file %s: %w", file, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("CA file %s: no PEM certificate in it", file)
	}
	return pool, nil
}

// Run connects to every target, and says what it has seen. progress is called after each
// connection, from several goroutines, and may be nil. There is one listener for each of the
// targets as Merge returns them. The error is one of the
// configuration, or that of ctx; what a listener does is a fact.
func Run(ctx context.Context, c Config, progress func(Target, facts.Exchange)) (*facts.Wire, error) {
	c = c.withDefaults()
	if len(c.Targets) == 0 {
		return nil, errors.New("no address of etcd to connect to")
	}
	addresses, err := c.merge()
	if err != nil {
		return nil, err
	}
	made, err := makeIdentities(c)
	if err != nil {
		return nil, err
	}
	wire := &facts.Wire{
		Listeners: make([]facts.Listener, len(c.Targets)), Identities: made.facts(),
		Passive: c.Passive, Now: c.Now(),
	}
	var all sync.WaitGroup
	places := make(chan struct{}, c.Limits.AtOnce)
	for _, l := range c.lines(addresses) {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			for _, i := range l.targets {
				p := newProber(c, c.Targets[i], addresses[i], l, made, progress)
				p.run(ctx)
				wire.Listeners[i] = p.listener
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("connections to etcd: interrupted: %w", context.Cause(ctx))
	}
	return wire, nil
}

// maxFile bounds a file of certificates.
const maxFile = 1 << 20

// readFile reads a small regular file. It does not wait for a writer where the path is a
// pipe.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	return readAll(f, maxFile)
}
