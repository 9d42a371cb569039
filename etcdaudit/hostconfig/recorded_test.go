package hostconfig

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
)

var update = flag.Bool("update", false, "write the golden facts anew")

// compact is what golden facts show: not the settings of etcd's defaults, and not what
// depends on the checkout.
func compact(h *facts.Host) map[string]any {
	out := map[string]any{"node": h.Node, "setup": h.Setup, "unread": h.Unread, "read": h.Read}
	var etcds, apis []any
	effective := func(e etcdconfig.Effective) map[string]any {
		written := map[string]string{}
		for _, s := range e.Settings {
			if s.Origin.Kind != etcdconfig.Default {
				written[s.Name] = s.Value + " <- " + s.Origin.Text
			}
		}
		return map[string]any{"release": e.Release, "refused": e.Refused, "notEvaluated": e.NotEvaluated, "settings": written}
	}
	files := func(all map[string]facts.File) map[string]string {
		out := map[string]string{}
		for name, f := range all {
			out[name] = strings.Join([]string{f.At, map[bool]string{true: "there", false: "not there"}[f.Exists], f.Err + f.ContentErr}, ", ")
		}
		return out
	}
	for _, e := range h.Etcds {
		one := map[string]any{"name": e.Name, "source": e.Source, "process": e.Process, "config": effective(e.Config), "files": files(e.Files), "bound": e.Bound}
		if e.Manifest != nil {
			one["manifest"] = effective(*e.Manifest)
		}
		etcds = append(etcds, one)
	}
	for _, a := range h.APIServers {
		given := a.Config.Given
		a.Config.Given = nil
		one := map[string]any{"name": a.Name, "source": a.Source, "process": a.Process, "config": a.Config, "files": files(a.Files), "audit": a.Audit, "given": len(given)}
		if e := a.Encryption; e != nil {
			one["encryption"] = map[string]any{"path": e.Path, "err": e.Err, "hash": e.Hash, "noMetrics": e.NoMetrics}
		}
		if len(a.Sockets) > 0 {
			sockets := map[string]string{}
			for endpoint, s := range a.Sockets {
				sockets[endpoint] = s.Dir
			}
			one["sockets"] = sockets
		}
		apis = append(apis, one)
	}
	out["etcds"], out["apiServers"] = etcds, apis
	kept := map[string]string{}
	for _, k := range h.Kept {
		users := ""
		for _, u := range k.Users {
			users += fmt.Sprintf(", of %s (%d:%v)", u.Name, u.UID, u.GIDs)
		}
		kept[k.Path] = strings.TrimSuffix(string(k.Use)+", "+k.Secret, ", ") + users
	}
	out["kept"], out["looked"], out["copied"], out["disks"] = kept, h.Looked, h.Copied, h.Disks
	var keys, snapshots []string
	for _, k := range h.Keys {
		keys = append(keys, fmt.Sprint(k.File, ": ", k.Name, ", ", k.Kind, ", weakness: ", k.Weakness, ", doubt: ", k.Doubt, ", certificates: ", len(k.Certificates)))
	}
	for _, s := range h.Snapshots {
		snapshots = append(snapshots, fmt.Sprint(s.Path, ", ", s.Found, ", copies: ", s.Copies, s.Newest, ", remote: ", s.Remote, ", here: ", s.Here))
	}
	out["keys"], out["snapshots"] = keys, snapshots
	return out
}

func TestRecordedTreesGiveTheFactsOfTheirNodes(t *testing.T) {
	for _, name := range []string{"kubeadm", "rke2", "rke2-split", "k3s", "systemd", "eks", "worker"} {
		t.Run(name, func(t *testing.T) {
			h, err := Read(t.Context(), Options{Root: filepath.Join("testdata", name), Now: time.Unix(1796000000, 0)})
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.MarshalIndent(compact(h), "", " ")
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(string(text), h.Root, "ROOT") + "\n"
			golden := filepath.Join("testdata", name+".golden.json")
			if *update {
				if err := os.WriteFile(golden, []byte(got), fs.FileMode(0o644)); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("%v: not as in %s (renew it with -update):\n%s", err, golden, got)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "made-up-token") {
				t.Error("a secret is in the facts")
			}
		})
	}
}
