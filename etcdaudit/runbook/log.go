package runbook

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/term"
)

// fewEntries is how many entries a log has at least where replacing members clears it. From 3.6
// on etcd drops the first entries of its log from memory when it has applied 100 of them
// (server/etcdserver/server.go, memorySnapshotCount): a new member then gets the database, and
// no entry from before. Before 3.6 that takes --snapshot-count entries, and they are read again
// from the disk at each start. A number above it leaves room for members that lag.
const fewEntries = 200

// The write-ahead log of etcd: the size of a segment, and how many it keeps by default.
const (
	segmentBytes = 64_000_000
	maxWALs      = 5
)

// ageingBytes is what age.sh writes.
const ageingBytes = 200_000_000

func (f Found) index() uint64 { return max(f.Cluster.Index, f.Log.Index) }

// release is etcd's minor release, 6 of "3.6.0"; -1 if it is not known.
func (f Found) release() int {
	var major, minor int
	if _, err := fmt.Sscanf(f.Cluster.Version, "%d.%d.", &major, &minor); err != nil || major != 3 {
		return -1
	}
	return minor
}

// irreplaceable says why members cannot be replaced to clear their logs; nothing if they can.
func (f Found) irreplaceable() string {
	voting, names := 0, map[string]bool{}
	for _, m := range f.Cluster.Members {
		if m.Learner {
			return "the cluster has a learner"
		}
		if hosts(m) == "" || !plain(m.Name) {
			return "the database does not name its members in a way that commands can be made of"
		}
		voting++
		names[m.Name] = true
	}
	switch release := f.release(); {
	case len(names) < voting:
		return "several members have the same name"
	case voting > 0 && f.nodes() == nil:
		return "several members are on one host"
	case release < 0:
		return "the release of etcd is not known"
	case release < 6:
		return fmt.Sprintf("before 3.6 (here %s) a leader sends a new member the old entries again, from its own log", f.Cluster.Version)
	case voting < 3:
		return "that takes three members or more"
	case f.index() < fewEntries:
		return fmt.Sprintf("with %d entries of the log a leader sends all of them again to a new member", f.index())
	case f.wal() != f.data()+"/member/wal":
		return "the log lies outside of the data directory"
	}
	return ""
}

// clearLog returns the steps that clear the write-ahead log: replacing the members where that
// does it, and ageing.
func (f Found) clearLog() []Step {
	why := fmt.Sprintf("%d plaintext copies are in its segments, and each step above is in it as well", f.Plaintext.Log)
	stopping := Step{
		Title:    "Say how members are stopped and started",
		Why:      "the next step does it; it takes a systemd unit named etcd or kubeadm's static pod, and stops with FILL IN where a node has neither: change these lines to what is right there",
		Cost:     "nothing yet; nodes are reached with ssh as root, but for this one",
		Commands: append([]string{f.directories()}, lines(nodesScript)...),
	}
	nodes, command := f.nodes(), `echo "FILL IN: age HOST..., with the hosts of all members" >&2; exit 1`
	if nodes != nil {
		command = "age " + strings.Join(nodes, " ")
	}
	ageing := Step{
		Title:    "Clear the write-ahead log of every member",
		Why:      why + "; etcd removes a segment by its age only",
		Cost:     f.costOfAgeing(),
		Commands: append(lines(ageScript), command),
	}
	reason := f.irreplaceable()
	if reason != "" {
		ageing.Why += ". Replacing members is not offered: " + reason
		return []Step{stopping, ageing}
	}
	replacing := Step{
		Title:    "Clear the write-ahead log by replacing every member",
		Why:      why + "; a new member gets the database and no entry from before",
		Cost:     f.costOfReplacing(),
		Commands: lines(replaceScript),
	}
	for _, m := range f.Cluster.Members {
		replacing.Commands = append(replacing.Commands, "replace "+m.Name)
	}
	for _, node := range nodes {
		replacing.Commands = append(replacing.Commands, fmt.Sprintf(`on %s 'rm -r -- "$1/member.replaced"' "$data"`, node))
	}
	ageing.Title = "Or age the write-ahead log, instead of replacing members"
	ageing.Why += ". Its call is a comment: make it a command, and leave out the step before"
	ageing.Commands[len(ageing.Commands)-1] = "# " + command
	return []Step{stopping, replacing, ageing}
}

func (f Found) costOfReplacing() string {
	text := "one member at a time is away, and one more that fails then stops the cluster"
	if f.DatabaseBytes > 0 {
		text += fmt.Sprintf("; each gets the database from the leader, %s at the most", term.Size(f.DatabaseBytes))
	}
	if f.Log.Segments > 0 {
		text += fmt.Sprintf(", and gives back about %s of its log", term.Size(int64(f.Log.Segments)*segmentBytes))
	}
	return text + ". What is put aside is removed at the end, when all members serve"
}

// costOfAgeing says what the commands take, and what it would take without them.
func (f Found) costOfAgeing() string {
	text := fmt.Sprintf("every member is started anew twice, one after the other, and gets %s more into log and memory, not into the database", term.Size(ageingBytes))
	if len(f.Cluster.Members) < 3 {
		text += "; the API server has no etcd meanwhile"
	}
	entries := uint64(10_000)
	switch release := f.release(); {
	case release < 0:
		return text + fmt.Sprintf(". Without that: up to %s of other writes, and --snapshot-count entries, with the default --max-wals of %d", term.Size((maxWALs+1)*segmentBytes), maxWALs)
	case release < 6:
		entries = 100_000
	}
	// The segment in use has to be full, then as many others as etcd keeps; and a snapshot of
	// raft has to lie behind it: at the latest one count of entries after the segment's end.
	rest := int64(segmentBytes)
	if f.Log.Segments > 0 {
		rest = f.Log.Rest
	}
	text += fmt.Sprintf(". Without that the segments of now go after about %s of other writes and at the most %d entries behind the first %s of them, with the defaults of this release (--max-wals %d, --snapshot-count %d)",
		term.Size(rest+(maxWALs-1)*segmentBytes), entries+1, term.Size(rest), maxWALs, entries)
	if f.Log.Segments > 0 {
		segments := "is one segment"
		if f.Log.Segments > 1 {
			segments = fmt.Sprintf("are %d segments", f.Log.Segments)
		}
		text += fmt.Sprintf("; there %s, the last entry is %d, the last snapshot at %d", segments, f.Log.Index, f.Log.Snapshot)
	}
	return text
}

// nodes are the hosts of all members; nil if one is not known, or has several members: the
// commands stop the etcd of a host.
func (f Found) nodes() (all []string) {
	for _, m := range f.Cluster.Members {
		host := hosts(m)
		if host == "" || slices.Contains(all, host) {
			return nil
		}
		all = append(all, host)
	}
	return all
}

// hosts returns the host that other members reach a member at; empty if its addresses are not
// as etcd writes them. They are put into commands without quotes.
func hosts(m record.Member) string {
	if len(m.PeerURLs) == 0 || len(m.ClientURLs) == 0 {
		return ""
	}
	for _, address := range append(append([]string(nil), m.PeerURLs...), m.ClientURLs...) {
		u, err := url.Parse(address)
		if err != nil || u.Port() == "" || !plain(u.Hostname()) || u.Scheme+"://"+net.JoinHostPort(u.Hostname(), u.Port()) != address {
			return ""
		}
	}
	u, _ := url.Parse(m.PeerURLs[0])
	return u.Hostname()
}

// plain reports whether a text is one word of a shell and of a flag, whatever it stands behind.
func plain(text string) bool {
	return text != "" && text[0] != '-' && strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:", r)
	}) < 0
}

// plainPath is a path that can stand between any quotes, or the usual one instead.
func plainPath(path, usual string) string {
	if strings.HasPrefix(path, "/") && plain(strings.ReplaceAll(path[1:], "/", "_")) {
		return path
	}
	return usual
}

// directories are those of etcd on the nodes. They are set anew for each cluster: another may
// have been dealt with in the same shell.
func (f Found) directories() string {
	wal := f.wal()
	if wal == f.data()+"/member/wal" {
		wal = "$data/member/wal"
	}
	return fmt.Sprintf(`data=%s; wal=%s # the directories of etcd, the same on every node: change them if they lie elsewhere`, f.data(), wal)
}

func (f Found) data() string { return plainPath(f.Data, "/var/lib/etcd") }
func (f Found) wal() string  { return plainPath(f.WAL, f.data()+"/member/wal") }
