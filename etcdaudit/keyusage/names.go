package keyusage

import (
	"cmp"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func (k Key) compare(o Key) int {
	return cmp.Or(
		cmp.Compare(k.Format, o.Format), cmp.Compare(k.Name, o.Name), cmp.Compare(k.Version, o.Version), cmp.Compare(k.KeyID, o.KeyID),
		cmp.Compare(k.Cluster, o.Cluster), cmp.Compare(k.Envelope, o.Envelope), cmp.Compare(k.LocalKEK, o.LocalKEK),
	)
}

// object names what a record is of. Its texts are safe to show.
func object(prefix string, rec *record.Record) check.Object {
	o := check.Object{Revision: rec.ModRevision}
	if k, ok := storedvalue.ParseKey(prefix, rec.Key); ok && len(k.Name) > 0 {
		o.Resource, o.Namespace, o.Name = shown([]byte(k.Resource().String())), shown(k.Namespace), shown(k.Name)
	} else {
		o.Name = shown(rec.Key)
	}
	if from := rec.Origin; from.File != "" {
		o.Origin = &check.Origin{Layer: string(from.Layer), File: from.File, Offset: from.Offset, Index: from.Index, Term: from.Term}
	}
	return o
}

func shown(name []byte) string {
	if len(name) > maxName {
		return term.Printable(string(name[:maxName]) + "...")
	}
	return term.Printable(string(name))
}

func trimmed(prefix string) string { return strings.TrimSuffix(prefix, "/") }
