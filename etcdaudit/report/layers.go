package report

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// notEvaluated lists what else the etcd holds, and where values survive that a
// scan of live values does not see.
func notEvaluated(scope *auditv1.Scope, in rules.Input) []*auditv1.Layer {
	layer := func(name, reason string) *auditv1.Layer {
		return &auditv1.Layer{Name: name, Status: auditv1.Status_STATUS_NOT_EVALUATED, Reason: reason}
	}
	layers := []*auditv1.Layer{
		layer("history (older revisions)", "etcd keeps overwritten and deleted values until they are compacted"),
		layer("free pages of the database file", "compacted values stay readable in the file of every member until it is defragmented"),
		layer("write-ahead log", "every write stays in its segments until later traffic has replaced them"),
	}
	if scope.StandIn != "" {
		layers = []*auditv1.Layer{
			layer("history (older revisions)", "overwritten and deleted values stay as rows of its database until it compacts them"),
			layer("free space of the database", "deleted rows stay readable in the files until they are overwritten or the database is vacuumed"),
			layer("write-ahead log of the database", "every write stays in it until the database has replaced it"),
		}
	}
	layers = append(layers, layer("snapshots and backups", "a copy keeps what was plaintext when it was taken, free pages included"))

	switch elsewhere := "keys outside " + term.Printable(in.Inventory.Prefix) + "/"; {
	case in.Inventory.Outside > 0:
		layers = append(layers, layer(elsewhere, fmt.Sprintf("%d in this etcd, of another program or another API server: scan their prefix as well (--prefix)", in.Inventory.Outside)))
	case in.Inventory.Outside < 0 && scope.StandIn != "":
		layers = append(layers, layer(elsewhere, scope.StandIn+" of this version cannot count them: whether there are any is not known"))
	case in.Inventory.Outside < 0:
		layers = append(layers, layer(elsewhere, "this user may not count them: whether there are any is not known"))
	}
	var foreign []string
	for _, r := range in.Inventory.Resources() {
		if r.Foreign {
			foreign = append(foreign, fmt.Sprintf("%s (%s)", term.Printable(r.String()), r.Server))
		}
	}
	if len(foreign) > 0 {
		layers = append(layers, layer("resources of another API server", strings.Join(foreign, ", ")+": scan again with the EncryptionConfiguration of that server"))
	}
	return layers
}

// source says what was read from.
func source(scope *auditv1.Scope) string {
	endpoints := strings.Join(scope.Endpoints, ", ")
	if scope.StandIn != "" {
		return fmt.Sprintf("%s, which stands in for etcd (%s)", scope.StandIn, endpoints)
	}
	return fmt.Sprintf("etcd cluster %s (%s)", scope.ClusterId, endpoints)
}
