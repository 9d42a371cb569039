package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/sealproof/sealproof/internal/hostfacts"

	"golang.org/x/sys/unix"
)

// refusalGap is the least time between two log lines about refused peers: who
// is refused can try thousands of times a second.
const refusalGap = time.Minute

// peers decides by user id who may talk. A nil *peers admits everybody.
type peers struct {
	allowed map[uint32]bool
	own     uint32 // this process's user
	refused func()
	log     *slog.Logger
	now     func() time.Time
	// Apart, so that who is refused all the time hides nobody else.
	strangers, ours refusals
}

func (c Config) validateUIDs() error {
	for _, name := range c.AllowUIDs {
		if _, err := parseUID(name); err != nil && (strings.Trim(name, "0123456789+-") == "" || strings.ContainsAny(name, ": \t\n/")) {
			return fmt.Errorf("allow-uids: %q: want a user's name or number", name)
		}
	}
	return nil
}

// newPeers resolves the users that may connect; nil if none are listed.
func newPeers(users []string, h Host) (*peers, error) {
	if len(users) == 0 {
		return nil, nil //nolint:nilnil // documented: nil admits everybody
	}
	if err := hostfacts.CheckUserIDs(); err != nil {
		return nil, fmt.Errorf("socket.allow-uids: %w: leave the list empty, and restrict the socket by its group and mode", err)
	}
	p := &peers{
		allowed: map[uint32]bool{}, own: uint32(os.Geteuid()), //nolint:gosec // ids are of 32 bits
		refused: h.Refused, log: h.Log, now: time.Now,
		strangers: refusals{gap: refusalGap}, ours: refusals{gap: refusalGap},
	}
	if p.refused == nil {
		p.refused = func() {}
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	for _, name := range users {
		uid, err := LookupUID(name)
		if err != nil {
			return nil, fmt.Errorf("socket.allow-uids: %w", err)
		}
		p.allowed[uid] = true
	}
	return p, nil
}

// LookupUID returns the id of a user, given by number or name.
func LookupUID(name string) (uint32, error) {
	if uid, err := parseUID(name); err == nil {
		return uid, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return parseUID(u.Uid)
}

// parseUID reads a user id. The largest number is none: it means "unchanged", or
// "unknown".
func parseUID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, err
	}
	if n == math.MaxUint32 {
		return 0, fmt.Errorf("%d is no user id", n)
	}
	return uint32(n), nil
}

// admit reports whether the peer may talk, as it was when it connected.
func (p *peers) admit(c *net.UnixConn) bool {
	if p == nil {
		return true
	}
	peer, err := credentials(c)
	if err == nil && p.allowed[peer.Uid] {
		return true
	}
	level, reports := slog.LevelWarn, &p.strangers
	if err == nil && peer.Uid == p.own {
		// A plugin that is to replace this one, or was replaced by it, connects again
		// and again to see whether somebody listens. An alert would tell of every
		// upgrade, and not of a stranger: this user can read our credentials anyway.
		level, reports = slog.LevelInfo, &p.ours
	} else {
		p.refused()
	}
	if suppressed, report := reports.note(p.now()); report {
		attrs := []any{"suppressed", suppressed}
		if err != nil {
			attrs = append(attrs, "cause", err.Error())
		} else {
			attrs = append(attrs, "uid", peer.Uid, "pid", peer.Pid)
		}
		p.log.Log(context.Background(), level, "connection refused: its user is not in socket.allow-uids", attrs...)
	}
	return false
}

// credentials returns what SO_PEERCRED (unix(7)) says of the peer.
func credentials(c *net.UnixConn) (*unix.Ucred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var optErr error
	err = raw.Control(func(fd uintptr) {
		peer, optErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, optErr); err != nil {
		return nil, fmt.Errorf("read the credentials of a peer: %w", err)
	}
	return peer, nil
}

// refusals bounds how often refusals are reported.
type refusals struct {
	gap        time.Duration
	last       time.Time
	suppressed int
}

// note takes in one refusal at an instant, and says whether to report it, and how
// many before it were not.
func (r *refusals) note(now time.Time) (suppressed int, report bool) {
	if !r.last.IsZero() && now.Sub(r.last) < r.gap {
		r.suppressed++
		return 0, false
	}
	suppressed, r.suppressed, r.last = r.suppressed, 0, now
	return suppressed, true
}
