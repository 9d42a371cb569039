package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/wal"
)

// every is a key that each API server writes, behind its prefix, and often one that its
// control plane writes every few seconds.
const (
	every = "/namespaces/kube-system"
	often = "/leases/kube-system/"
)

// usual are the prefixes of API servers that store no Namespaces, and the usual one.
func usual() []string { return []string{"/registry", "/kubernetes.io", "/openshift.io"} }

// errFound ends a reading that has found what it was for.
var errFound = errors.New("it is found")

// mostPrefixes bounds how many are counted: a hostile file can have any number.
const mostPrefixes = 100

// prefixes looks for the prefix of the keys that it is shown.
type prefixes struct {
	sure   string
	counts map[string]int
}

func (p *prefixes) see(key []byte) {
	if before, ok := bytes.CutSuffix(key, []byte(every)); ok && len(before) > 1 && before[0] == '/' {
		// A ConfigMap can have such a name below the real prefix.
		if p.sure == "" || len(before) < len(p.sure) {
			p.sure = string(before)
		}
	}
	for _, prefix := range usual() {
		if strings.HasPrefix(string(key), prefix+"/") {
			p.count(prefix)
			return
		}
	}
	if at := bytes.Index(key, []byte(often)); at > 1 && key[0] == '/' {
		p.count(string(key[:at]))
	}
}

func (p *prefixes) count(prefix string) {
	if p.counts == nil {
		p.counts = map[string]int{}
	}
	if _, known := p.counts[prefix]; known || len(p.counts) < mostPrefixes {
		p.counts[prefix]++
	}
}

// found is the prefix without its last slash; empty if there is none.
func (p *prefixes) found() (found string) {
	if p.sure != "" {
		return p.sure
	}
	for prefix, n := range p.counts {
		if most := p.counts[found]; n > most || n == most && prefix < found {
			found = prefix
		}
	}
	return found
}

// findPrefix finds the prefix of a database's keys: that of the tree, else that of the keys in any
// of its pages, in use or not. The tree may be damaged, or have none of them any more.
func (d *databaseSource) findPrefix(ctx context.Context) (string, error) {
	var p prefixes
	see := func(l bolt.Leaf) error {
		for i := range l.Len() {
			if _, value, _, err := l.Element(i); err == nil {
				v, _ := mvcc.ParseVersion(value)
				p.see(v.Key)
			}
			if p.sure == usual()[0] {
				return errFound // nearly always, and soon: this key is written first
			}
		}
		return nil
	}
	if d.keys.Name != nil {
		if _, err := d.db.Leaves(ctx, d.keys, false, see); err != nil && !errors.Is(err, errFound) {
			return "", err
		}
	}
	if found := p.found(); found != "" {
		return found, nil
	}
	err := d.db.Rest(ctx, &bolt.Reach{}, func(run bolt.Run) error {
		if run.Kind != bolt.LeafPage {
			return nil
		}
		l, buf, err := d.db.Leaf(run, d.leaf)
		d.leaf = buf
		if changed(err, record.Undetermined) {
			return nil
		}
		if err != nil {
			return err
		}
		return see(l)
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return p.found(), err
}

// prefixOfLog finds the prefix of the keys in the entries of a log.
func prefixOfLog(ctx context.Context, segments []logSegment) (string, error) {
	var p prefixes
	for _, s := range segments {
		if _, err := wal.Read(ctx, s.file, s.size, func(put wal.Put) error {
			if p.see(put.Key); p.sure == usual()[0] {
				return errFound
			}
			return nil
		}); err != nil && !errors.Is(err, errFound) {
			return "", &Error{What: "read " + s.name, Err: reason(err)}
		}
	}
	return p.found(), nil
}

// noKeys is the error for a sound database in which nothing under the prefix was found anywhere.
func (d *databaseSource) noKeys() error {
	err := &Error{What: fmt.Sprintf("%s has no key under %s", d.name, d.prefix), Err: errNoKeys, Do: "leave --prefix out to have it found"}
	if !d.given {
		err.What, err.Do = d.name+" has no key that an API server writes", "if the keys have a prefix of their own, give --prefix"
	}
	return err
}

// errNoKeys is of a file that is etcd's, and has nothing that could be judged.
var errNoKeys = errors.New("it may be of another etcd")
