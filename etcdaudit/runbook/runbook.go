// Package runbook says what removes plaintext that outlives live values from one cluster: the
// steps in their order, with the commands, what each frees and what it costs. It is pure: it
// runs nothing.
//
// The defaults are those of etcd 3.6 and later (server/embed/config.go).
package runbook

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// Found is what is left of one cluster, as far as it was looked at.
type Found struct {
	// Live, History, Free and Log are how many plaintext copies each layer has, Pieces how many
	// pieces without a beginning are in free pages.
	Live, History, Free, Log, Pieces int64
	// FreeBytes is the size of free pages; 0 if not known.
	FreeBytes int64
	// Copies are files that no member uses and that hold plaintext.
	Copies []string
	// Members are client addresses of the members, one of each, and Data is the data directory
	// that was read; empty if that is not known.
	Members []string
	Data    string
}

// Step is one thing to do.
type Step struct {
	Title string
	// Why is what makes the step necessary, and Cost what it takes and frees.
	Why, Cost string
	Commands  []string
}

// Steps returns what has to be done, in this order; nothing where nothing is left.
func Steps(f Found) (all []Step) {
	if f.Live+f.History+f.Free+f.Pieces+f.Log == 0 && len(f.Copies) == 0 {
		return nil
	}
	inCluster := f.Live+f.History+f.Free+f.Pieces+f.Log > 0
	if inCluster {
		all = append(all, f.reach())
	}
	if f.Live > 0 {
		all = append(all, f.rewrite())
	}
	// What is rewritten leaves the old value in the layer below, and so on: from the first
	// layer with plaintext on, each has to be cleared.
	if f.Live+f.History > 0 {
		all = append(all, f.compact())
	}
	if f.Live+f.History+f.Free+f.Pieces > 0 {
		all = append(all, f.defragment())
	}
	if inCluster {
		all = append(all, f.clearLog())
	}
	if len(f.Copies) > 0 {
		all = append(all, f.remove())
	}
	all = append(all, Step{
		Title: "Change the credentials",
		Why:   "what was readable may have been read: clearing does not take that back",
		Cost:  "the objects are named above, with --output json all of them",
	})
	if inCluster {
		all = append(all, f.prove())
	}
	return all
}

func (f Found) reach() Step {
	return Step{
		Title:    "Let etcdctl reach every member",
		Why:      "the commands below ask all members, and take certificates from the environment",
		Cost:     "on a kubeadm node the certificates are those of the API server's manifest",
		Commands: []string{"export ETCDCTL_ENDPOINTS=" + quote(strings.Join(f.endpoints(), ",")), "export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt ETCDCTL_CERT=/etc/kubernetes/pki/apiserver-etcd-client.crt ETCDCTL_KEY=/etc/kubernetes/pki/apiserver-etcd-client.key", "etcdctl endpoint health"},
	}
}

func (f Found) rewrite() Step {
	return Step{
		Title:    "Rewrite live values",
		Why:      fmt.Sprintf("%d live values are plaintext: encrypt Secrets in the EncryptionConfiguration of every API server first", f.Live),
		Cost:     "each object is written once; what was stored becomes history",
		Commands: []string{"kubectl get secrets --all-namespaces -o json | kubectl replace -f -"},
	}
}

func (f Found) compact() Step {
	return Step{
		Title:    "Compact the history",
		Why:      fmt.Sprintf("%d plaintext copies are in older revisions, which etcd keeps until they are compacted", f.History),
		Cost:     "watches that are further behind have to list again; what is removed stays in free pages",
		Commands: []string{`etcdctl compaction --physical "$(etcdctl endpoint status --write-out=fields | sed -n 's/^"Revision" : //p' | sort -n | tail -n 1)"`},
	}
}

func (f Found) defragment() Step {
	s := Step{
		Title: "Defragment every member, one after the other",
		Why:   fmt.Sprintf("%d plaintext copies, and %d pieces without a beginning, are in free pages of the member that was read; the other members have their own", f.Free, f.Pieces),
		Cost:  "a member answers nothing while it is defragmented",
	}
	if f.FreeBytes > 0 {
		s.Cost += fmt.Sprintf("; it gives back about %s here", size(f.FreeBytes))
	}
	for _, endpoint := range f.endpoints() {
		s.Commands = append(s.Commands, "etcdctl defrag --command-timeout=300s --endpoints="+quote(endpoint))
	}
	return s
}

// The write-ahead log of etcd: the size of a segment, and the defaults of etcd 3.6 and later.
const (
	segmentBytes  = 64 << 20
	maxWALs       = 5
	snapshotCount = 10_000
)

func (f Found) clearLog() Step {
	s := Step{
		Title: "Clear the write-ahead log of every member",
		Why:   fmt.Sprintf("%d plaintext copies are in its segments, and each step above is in it as well; nothing removes a segment but its age", f.Log),
	}
	s.Cost = fmt.Sprintf("later traffic replaces the segments: about %s more, and %d entries of the log, with the defaults of etcd 3.6 and later (--max-wals %d, --snapshot-count %d)", size(maxWALs*segmentBytes+segmentBytes), snapshotCount, maxWALs, snapshotCount)
	s.Commands = []string{
		"# start every member with --max-wals=1 --snapshot-count=500 added to its flags, one after the other; then:",
		"for i in $(seq 1 700); do head -c 400000 /dev/zero | etcdctl put sealproof-ageing > /dev/null; done",
		"etcdctl del sealproof-ageing",
		"# wait half a minute (etcd removes segments every 30 s), start every member with its own flags again, then repeat compaction and defragmentation",
	}
	return s
}

func (f Found) remove() Step {
	s := Step{
		Title: "Remove the copies, and take new ones",
		Why:   "snapshots and backups keep what was plaintext when they were taken, free pages included",
		Cost:  "take a new snapshot first, when the members are clean; other copies of the same files are on other machines, tapes and in buckets",
	}
	for _, name := range f.Copies {
		// It may be of a member that is stopped: to remove that is not for a list of commands.
		if path, _ := filepath.Abs(name); strings.Contains(path, "/member/") || filepath.Base(path) == "db" {
			s.Commands = append(s.Commands, "# a data directory has "+quote(name)+": remove that directory only if no member of any cluster uses it")
			continue
		}
		s.Commands = append(s.Commands, "rm -- "+quote(name))
	}
	return s
}

func (f Found) prove() Step {
	data := f.Data
	if data == "" {
		data = "/var/lib/etcd"
	}
	return Step{
		Title:    "Show that nothing is left",
		Why:      "each member has its own file and log",
		Cost:     "on each member, stopped or from a snapshot of its file system",
		Commands: []string{"etcdaudit scan " + quote(data)},
	}
}

func (f Found) endpoints() []string {
	if len(f.Members) == 0 {
		return []string{"https://127.0.0.1:2379"}
	}
	return f.Members
}

// quote makes one word of a shell of a text that comes from a file. A line break would end a
// comment, and begin a command.
func quote(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=@%+[]", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 && !strings.Contains(text, "[") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// size shows bytes as people do.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", (n+1023)>>10)
}
