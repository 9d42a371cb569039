package offline

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
)

// every is a key that each API server writes, behind its prefix.
const every = "/namespaces/kube-system"

// usual are the prefixes of API servers that store no Namespaces, and the usual one.
func usual() []string { return []string{"/registry", "/kubernetes.io", "/openshift.io"} }

var errSure = errors.New("the prefix is found")

// findPrefix finds the prefix of the keys, without its last slash; empty if there is none.
func findPrefix(ctx context.Context, db *bolt.File, keys bolt.Bucket) (string, error) {
	var found string
	counts := map[string]int{}
	_, err := db.Leaves(ctx, keys, false, func(l bolt.Leaf) error {
		for i := range l.Len() {
			_, value, _, err := l.Element(i)
			if err != nil {
				continue
			}
			v, _ := mvcc.ParseVersion(value)
			if before, ok := bytes.CutSuffix(v.Key, []byte(every)); ok && len(before) > 1 && before[0] == '/' {
				// A ConfigMap can have such a name below the real prefix.
				if found == "" || len(before) < len(found) {
					found = string(before)
				}
				if found == usual()[0] {
					return errSure // nearly always, and soon: this key is written first
				}
			}
			for _, prefix := range usual() {
				if strings.HasPrefix(string(v.Key), prefix+"/") {
					counts[prefix]++
				}
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errSure) {
		return "", err
	}
	if found != "" {
		return found, nil
	}
	for _, prefix := range usual() {
		if counts[prefix] > counts[found] {
			found = prefix
		}
	}
	return found, nil
}
