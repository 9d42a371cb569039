// Package hostconfig reads a control-plane node, or a tree of its files, and says what its
// etcds and API servers are configured with: static pods, systemd units, k3s and RKE2,
// running processes, and the files that these name.
//
// It only reads, decides nothing, and keeps no secret: of private keys it tells whether
// they belong to a certificate and whether they are strong, of environments it keeps ETCD_*
// and the names of secrets.
package hostconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/apimetrics"
	"github.com/sealproof/sealproof/internal/fingerprint"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Options say what is read.
type Options struct {
	// Root is the root of the file system, "/" if it is empty. Another one is a recorded
	// tree: a copy of a node's files, and of its /proc in Root/proc, if that is there.
	Root string
	// Metrics are those of the node's API server, nil for none; NoMetrics is why then.
	Metrics   *apimetrics.Metrics
	NoMetrics string
	// Fingerprints tell equal keys; nil for a key of this run.
	Fingerprints *fingerprint.Key
	// OwnersKept says that the files of another root have the owners, modes and times of the
	// node. A mounted root has them; of a copy only the caller knows.
	OwnersKept bool
	// SnapshotDirs are folders with snapshots of etcd, beside the usual ones.
	SnapshotDirs []string
	// MaxSnapshotAge is how old the newest snapshot may be. It is handed on to the rules, and so
	// is Now, by which they judge ages and expiry.
	MaxSnapshotAge time.Duration
	Now            time.Time
}

// longestText bounds each file that is read, in bytes.
const longestText = 1 << 20

// reader collects the facts of one host.
type reader struct {
	opts  Options
	tree  hostfacts.Tree
	procs hostfacts.Processes
	host  *facts.Host
	read  map[string]bool
	lost  []facts.Missing // what may be static pods, and could not be read
	// rancher are k3s and RKE2 as this node may run them.
	rancher []rancher
	keys    []foundKey
	kept    map[string]int // indexes of host.Kept, by paths without links
	// inspected are the files among what was read.
	inspected map[string]facts.Inspected
}

// Read reads a host. It fails only if there is nothing at Root, or if this kernel or container
// does not let a tree be read; what cannot be read
// otherwise is in Host.Unread.
func Read(ctx context.Context, opts Options) (*facts.Host, error) {
	if opts.Root == "" {
		opts.Root = "/"
	}
	root, err := filepath.Abs(opts.Root)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", opts.Root, err)
	}
	if info, err := os.Stat(root); err != nil {
		return nil, fmt.Errorf("read a host: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("read a host: %s is not a directory", root)
	}
	if err := (hostfacts.Tree{Root: root}).Check(); err != nil {
		return nil, fmt.Errorf("read a host: %w", err)
	}
	live := root == "/"
	if opts.Fingerprints == nil {
		opts.Fingerprints = fingerprint.Random()
	}
	r := &reader{
		opts: opts, tree: hostfacts.Tree{Root: root}, read: map[string]bool{}, kept: map[string]int{}, inspected: map[string]facts.Inspected{},
		procs: hostfacts.Processes{Dir: filepath.Join(root, "proc"), Recorded: !live},
		host:  &facts.Host{Root: root, Live: live, Now: opts.Now, MaxSnapshotAge: opts.MaxSnapshotAge},
	}
	if mounted, err := mountinfo.Mounted(root); !live && !opts.OwnersKept && (err != nil || !mounted) {
		r.host.Copied = root + " is no mounted file system: owners, modes and times are those of a copy"
	}
	if info, err := os.Lstat(r.procs.Dir); !live && err == nil && !info.IsDir() {
		// A link leads out of the tree, to the processes of this host.
		r.missing("/proc", "it is no directory: its processes are not read", "")
		r.procs.Dir = ""
	}
	r.host.Node = r.nodeName()
	units := r.units()
	ofRancher := slices.DeleteFunc(slices.Clone(units), func(s start) bool { return !startsRancher(s) })
	r.rancher = r.ranchers(ofRancher)
	starts := append(r.manifests(), slices.DeleteFunc(units, startsRancher)...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, one := range r.rancher {
		if one.program == k3sProgram {
			starts = append(starts, r.k3s(one)...)
		}
	}
	running := r.running()
	for _, s := range slices.Concat(starts, ofRancher, running) {
		r.host.Looked = append(r.host.Looked, s.looked...)
	}
	r.keepStarts(slices.Concat(starts, ofRancher))
	isPlugin := func(s start) bool { return s.program == pluginProgram }
	plugins := slices.DeleteFunc(slices.Concat(starts, running), func(s start) bool { return !isPlugin(s) })
	starts, running = slices.DeleteFunc(starts, isPlugin), slices.DeleteFunc(running, isPlugin)
	r.combine(running, starts)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.plugin(plugins)
	r.keepUsual()
	r.certificates()
	r.setup(starts)
	r.snapshots()
	r.disks()
	slices.SortFunc(r.host.Kept, func(a, b facts.Kept) int { return strings.Compare(a.Path, b.Path) })
	for name := range r.read {
		r.host.Read = append(r.host.Read, name)
	}
	slices.Sort(r.host.Read)
	for _, name := range slices.Sorted(maps.Keys(r.inspected)) {
		r.host.Inspected = append(r.host.Inspected, r.inspected[name])
	}
	return r.host, nil
}

func (r *reader) nodeName() string {
	if r.host.Live {
		name, _ := os.Hostname()
		return name
	}
	text, _ := r.text("/etc/hostname")
	return strings.TrimSpace(string(text))
}

// text reads a file of the host. It reports a file that cannot be read, but not one that
// does not exist.
func (r *reader) text(name string) ([]byte, bool) {
	data, err := r.textOf(name)
	return data, err == nil
}

// textOf is text for a caller that wants to know why.
func (r *reader) textOf(name string) ([]byte, error) {
	data, o, err := r.tree.ReadFile(name, longestText)
	if err != nil {
		r.unreadable(name, err)
		return nil, err
	}
	r.read[name] = true
	r.inspected[name] = inspected(name, o, data)
	return data, nil
}

func (r *reader) unreadable(name string, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		r.missing(name, reason(err), doFor(err))
	}
}

func (r *reader) missing(what, why, do string) {
	r.host.Unread = append(r.host.Unread, facts.Missing{What: what, Why: why, Do: do})
}

// doFor says what to do about an error, "" where nothing is known.
func doFor(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "run as root"
	}
	return ""
}

// reason is an error without the file's name, which stands before it.
func reason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 && strings.HasPrefix(text, "open ") {
		return text[i+2:]
	}
	return text
}
