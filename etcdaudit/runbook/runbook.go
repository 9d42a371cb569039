// Package runbook says what removes plaintext that outlives live values from one cluster: the
// steps in their order, with the commands, what each frees and what it costs. It is pure: it
// runs nothing.
package runbook

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/wal"
	"github.com/sealproof/sealproof/internal/term"
)

// Found is what is left of one cluster, as far as it was looked at.
type Found struct {
	Plaintext Plaintext
	// Resources are those with plaintext that may be live, as kubectl names them, such as
	// "deployments.apps".
	Resources []string
	// FreeBytes is the size of free pages, HistoryBytes that of what compaction removes, whatever
	// prefix it has, and DatabaseBytes that of the database; 0 if not known.
	FreeBytes, HistoryBytes, DatabaseBytes int64
	// Copies are files that no member uses and that hold plaintext.
	Copies []string
	// Cluster and Log are what the files say; empty if they do not.
	Cluster record.Cluster
	Log     record.Log
	// Data is the data directory that was read, and WAL the directory of its log; empty if that
	// is not known.
	Data, WAL string
}

// Plaintext is how many plaintext copies each layer has; Pieces are those without a beginning
// in free pages. Undetermined are those of a database that was read byte by byte: each may be
// in any of its layers.
type Plaintext struct {
	Live, History, Free, Pieces, Log, Undetermined int64
}

func (p Plaintext) free() int64 { return p.Free + p.Pieces }
func (p Plaintext) all() int64  { return p.Live + p.History + p.free() + p.Log + p.Undetermined }

// orUndetermined completes why a step on the database is necessary.
func (p Plaintext) orUndetermined(why string) string {
	if p.Undetermined > 0 {
		why += fmt.Sprintf("; %d copies are in a database that was read byte by byte, and may be there as well", p.Undetermined)
	}
	return why
}

// Step is one thing to do.
type Step struct {
	Title string
	// Why is what makes the step necessary, and Cost what it takes and frees.
	Why, Cost string
	Commands  []string
}

// Steps returns what has to be done, in this order; nothing where nothing is left. The commands
// of all steps are for one shell.
func Steps(f Found) (all []Step) {
	p := f.Plaintext
	inCluster := p.all() > 0
	if !inCluster && len(f.Copies) == 0 {
		return nil
	}
	if inCluster {
		all = append(all, f.reach())
	}
	if p.Live+p.Undetermined > 0 {
		all = append(all, f.rewrite())
	}
	// What is rewritten leaves the old value in the layer below, and so on: from the first
	// layer with plaintext on, each has to be cleared.
	if f.compacts() {
		all = append(all, f.compact())
	}
	if p.Live+p.History+p.free()+p.Undetermined > 0 {
		all = append(all, f.defragment())
	}
	if inCluster {
		all = append(all, f.clearLog()...)
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

// compacts reports whether the history has to be removed.
func (f Found) compacts() bool {
	return f.Plaintext.Live+f.Plaintext.History+f.Plaintext.Undetermined > 0
}

func (f Found) reach() Step {
	s := Step{
		Title:    "Let etcdctl reach every member",
		Why:      "the commands of all steps are for one POSIX shell (sh), which ends at the first that fails: find out why before you go on from there",
		Cost:     "on a kubeadm node the certificates are those of the API server; if yours lie elsewhere, set the variables before",
		Commands: []string{"set -e", "export ETCDCTL_ENDPOINTS=" + quote(strings.Join(f.endpoints(), ","))},
	}
	if strings.HasPrefix(f.endpoints()[0], "https:") {
		s.Commands = append(s.Commands,
			`: "${ETCDCTL_CACERT:=/etc/kubernetes/pki/etcd/ca.crt}" "${ETCDCTL_CERT:=/etc/kubernetes/pki/apiserver-etcd-client.crt}" "${ETCDCTL_KEY:=/etc/kubernetes/pki/apiserver-etcd-client.key}"`,
			"export ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY")
	}
	s.Commands = append(s.Commands, lines(reachScript)...)
	return s
}

func (f Found) rewrite() Step {
	s := Step{
		Title: "Rewrite live values",
		Why:   f.Plaintext.orUndetermined(fmt.Sprintf("%d live values are plaintext: encrypt these resources in the EncryptionConfiguration of every API server first", f.Plaintext.Live)),
		Cost:  "each object is written once; what was stored becomes history",
	}
	if len(f.Resources) == 0 {
		s.Commands = []string{`echo "FILL IN: kubectl get RESOURCE --all-namespaces -o json | kubectl replace -f -" >&2; exit 1`}
	}
	for _, resource := range f.Resources {
		s.Commands = append(s.Commands, "kubectl get "+quote(resource)+" --all-namespaces -o json | kubectl replace -f -")
	}
	return s
}

func (f Found) compact() Step {
	return Step{
		Title:    "Compact the history",
		Why:      f.Plaintext.orUndetermined(fmt.Sprintf("%d plaintext copies are in older revisions, which etcd keeps until they are compacted", f.Plaintext.History)),
		Cost:     "watches that are further behind have to list again; what is removed stays in free pages",
		Commands: lines(compactScript),
	}
}

func (f Found) defragment() Step {
	s := Step{
		Title: "Defragment every member, one after the other",
		Why:   f.Plaintext.orUndetermined(fmt.Sprintf("%d plaintext copies, and %d pieces without a beginning, are in free pages of the member that was read; the other members have their own", f.Plaintext.Free, f.Plaintext.Pieces)),
		Cost:  "a member answers nothing while it is defragmented, about a second for 200 MiB, and needs as much free disk as its database then has",
	}
	switch {
	case f.FreeBytes == 0:
	case f.compacts() && f.HistoryBytes > 0:
		s.Cost += fmt.Sprintf("; it gives back about %s here: %s of free pages, and %s of history that is compacted before", term.Size(f.FreeBytes+f.HistoryBytes), term.Size(f.FreeBytes), term.Size(f.HistoryBytes))
	case f.compacts():
		s.Cost += fmt.Sprintf("; it gives back at least %s here, and what is compacted before", term.Size(f.FreeBytes))
	default:
		s.Cost += fmt.Sprintf("; it gives back about %s here", term.Size(f.FreeBytes))
	}
	s.Commands = lines(defragmentScript)
	return s
}

func (f Found) remove() Step {
	s := Step{
		Title: "Remove the copies, and take new ones",
		Why:   "snapshots and backups keep what was plaintext when they were taken, free pages included",
		Cost:  "the new snapshot is put into the directory that the shell is in; other copies of the same files are on other machines, tapes and in buckets",
	}
	if f.Plaintext.all() > 0 {
		s.Commands = []string{`ETCDCTL_ENDPOINTS=${ETCDCTL_ENDPOINTS%%,*} etcdctl snapshot save "snapshot-$(date +%Y%m%d%H%M%S).db" # of a member that is clean now`}
	} else {
		s.Cost = "take a new snapshot first, of a member that is clean; other copies of the same files are on other machines, tapes and in buckets"
	}
	for _, name := range f.Copies {
		if membersOwn(name) {
			s.Commands = append(s.Commands, "# a directory of etcd has "+quote(name)+": remove that directory only if no member of any cluster uses it")
			continue
		}
		s.Commands = append(s.Commands, "rm -- "+quote(name))
	}
	return s
}

// membersOwn reports whether a file has a name that a member gives its own. The member may be
// stopped: to remove its file is not for a list of commands. A log can lie in any directory
// (--wal-dir), so that only its names tell.
func membersOwn(name string) bool {
	path, _ := filepath.Abs(name)
	base := filepath.Base(path)
	return strings.Contains(path, "/member/") || base == "db" || wal.ParseName(base).Kind != wal.Other
}

func (f Found) prove() Step {
	return Step{
		Title:    "Show that nothing is left",
		Why:      "each member has its own file and log",
		Cost:     "on each member, stopped or from a snapshot of its file system",
		Commands: []string{"etcdctl del sealproof-runbook --command-timeout=60s", "etcdaudit scan " + quote(cmp.Or(f.Data, "/var/lib/etcd"))},
	}
}

// endpoints are the first client addresses of the members.
func (f Found) endpoints() (all []string) {
	for _, m := range f.Cluster.Members {
		if len(m.ClientURLs) > 0 {
			all = append(all, m.ClientURLs[0])
		}
	}
	if len(all) == 0 {
		return []string{"https://127.0.0.1:2379"}
	}
	return all
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
	harmless := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=@%+[]", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !harmless(r) }) < 0 && !strings.Contains(text, "[") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
