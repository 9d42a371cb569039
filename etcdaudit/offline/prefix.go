package offline

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
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

var errSure = errors.New("the prefix is found")

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

// prefixOf finds the prefix of the keys of a database.
func prefixOf(ctx context.Context, db *bolt.File, keys bolt.Bucket) (string, error) {
	var p prefixes
	_, err := db.Leaves(ctx, keys, false, func(l bolt.Leaf) error {
		for i := range l.Len() {
			if _, value, _, err := l.Element(i); err == nil {
				v, _ := mvcc.ParseVersion(value)
				p.see(v.Key)
			}
			if p.sure == usual()[0] {
				return errSure // nearly always, and soon: this key is written first
			}
		}
		return nil
	})
	if errors.Is(err, errSure) {
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
				return errSure
			}
			return nil
		}); err != nil && !errors.Is(err, errSure) {
			return "", &Error{What: "read " + s.name, Err: reason(err)}
		}
	}
	return p.found(), nil
}
