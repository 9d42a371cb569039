package socket

import (
	"context"
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
)

// refusalGap is the least time between two log lines about refused peers: a
// refused process can connect thousands of times a second.
const refusalGap = time.Minute

// peers authorizes connections by user id. A nil *peers authorizes all.
type peers struct {
	allowed map[uint32]bool
	own     uint32 // this process's user
	refused func()
	log     *slog.Logger
	now     func() time.Time
	// Separate, so that repeated refusals of one kind do not hide the other.
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
		return nil, nil //nolint:nilnil // documented: nil authorizes all
	}
	if err := hostfacts.CheckUserIDs(); err != nil {
		return nil, fmt.Errorf("socket.allow-uids: %w: leave the list empty, and restrict the socket by its group and mode", err)
	}
	p := &peers{
		allowed: map[uint32]bool{}, own: uint32(os.Geteuid()), //nolint:gosec // ids are of 32 bits
		refused: h.Refused, log: h.Log, now: time.Now,
		strangers: refusals{gap: refusalGap}, ours: refusals{gap: refusalGap},
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

// parseUID reads a user id. The largest number is not one: the kernel uses it for
// "unchanged" and "unknown".
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

// authorize reports whether the peer's user, at the time of the connect, is listed.
func (p *peers) authorize(c *net.UnixConn) bool {
	if p == nil {
		return true
	}
	peer, err := hostfacts.PeerOf(c)
	if err == nil && p.allowed[peer.Uid] {
		return true
	}
	level, reports := slog.LevelWarn, &p.strangers
	if err == nil && peer.Uid == p.own {
		// In an upgrade each of two plugins connects again and again to see whether the
		// other one listens. That must not raise an alert. This user can read the
		// plugin's credentials anyway.
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

// refusals limits how often refusals are logged.
type refusals struct {
	gap        time.Duration
	last       time.Time
	suppressed int
}

// note counts one refusal and says whether to log it, and how many before it were
// not logged.
func (r *refusals) note(now time.Time) (suppressed int, report bool) {
	if !r.last.IsZero() && now.Sub(r.last) < r.gap {
		r.suppressed++
		return 0, false
	}
	suppressed, r.suppressed, r.last = r.suppressed, 0, now
	return suppressed, true
}
