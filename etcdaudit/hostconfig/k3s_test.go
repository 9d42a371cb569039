package hostconfig

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

const (
	k3sServer  = "var/lib/rancher/k3s/server/"
	k3sService = "etc/systemd/system/k3s.service"
	k3sFile    = "etc/rancher/k3s/config.yaml"
)

// k3sNode is a node with k3s's data and further files.
func k3sNode(t *testing.T, files map[string]string) string {
	t.Helper()
	files[k3sServer+"token"] = "made-up-token"
	return node(t, files)
}

func onlyAPIServer(t *testing.T, h *facts.Host) facts.APIServer {
	t.Helper()
	if len(h.APIServers) != 1 {
		t.Fatalf("%d API servers: %+v", len(h.APIServers), h.Unread)
	}
	return h.APIServers[0]
}

func TestFlagsOfK3sAreThoseOfItsUnitWhereItsTitleHidesThem(t *testing.T) {
	const unit = "[Service]\nEnvironmentFile=-/etc/systemd/system/k3s.service.env\nExecStart=/usr/local/bin/k3s \\\n server \\\n '--secrets-encryption' --kube-apiserver-arg anonymous-auth=true --token hunter2\n"
	title := "/usr/local/bin/k3s server" + strings.Repeat("\x00", 40) // setproctitle blanks what is left
	a := onlyAPIServer(t, read(t, k3sNode(t, map[string]string{
		k3sService: unit, "proc/9/cmdline": title, "proc/9/comm": "k3s-server\n", "proc/9/cgroup": "0::/system.slice/k3s.service\n",
	})))
	if a.NotEvaluated != "" || a.Config.EncryptionConfig == "" || !a.Config.AnonymousAuth || a.Process == nil {
		t.Errorf("%q: %+v", a.NotEvaluated, a.Config)
	}
	if strings.Contains(fmt.Sprint(a), "hunter2") {
		t.Error("the token is in the facts")
	}
}

func TestAnAPIServerInK3sIsNotEvaluatedWithoutItsFlags(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no unit":            {},
		"another unit":       {k3sService: "[Service]\nExecStart=/usr/local/bin/k3s server\n", "proc/9/cmdline": "k3s server\x00", "proc/9/cgroup": "0::/system.slice/k3s-2.service\n"},
		"an unread variable": {k3sService: "[Service]\nEnvironmentFile=/gone\nExecStart=/usr/local/bin/k3s server\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := onlyAPIServer(t, read(t, k3sNode(t, files))); a.NotEvaluated == "" {
				t.Errorf("%+v", a.Config)
			}
		})
	}
}

func TestTheEtcdOfK3sIsTheOneOfItsDatastore(t *testing.T) {
	unit := func(flags string) string {
		return "[Service]\nEnvironmentFile=/etc/k3s.env\nExecStart=/usr/local/bin/k3s server " + flags + "\n"
	}
	const (
		kine     = "[unix:///var/lib/rancher/k3s/server/kine.sock]"
		embedded = "[https://127.0.0.1:2379]/var/lib/rancher/k3s/server/tls/etcd/server-ca.crt"
	)
	for name, tc := range map[string]struct {
		files map[string]string
		want  string // its servers and the CA
	}{
		"by flag": {map[string]string{k3sService: unit("--datastore-endpoint=http://10.0.0.5:2379"), "etc/k3s.env": ""}, "[http://10.0.0.5:2379]"},
		"by variable, with a password": {map[string]string{
			k3sService: unit(""), "etc/k3s.env": "K3S_DATASTORE_ENDPOINT=https://root:hunter2@a:2379,https://b:2379\nK3S_DATASTORE_CAFILE=/ca\n",
		}, "[https://a:2379 https://b:2379]/ca"},
		"by file, and a flag wins": {map[string]string{
			k3sService: unit("--datastore-cafile /flag"), "etc/k3s.env": "", k3sFile: "datastore-endpoint: https://a:1\ndatastore-cafile: /file\n",
		}, "[https://a:1]/flag"},
		"a database":                 {map[string]string{k3sService: unit("--datastore-endpoint=mysql://root:hunter2@tcp(db:3306)/k3s"), "etc/k3s.env": ""}, kine},
		"none":                       {map[string]string{k3sService: unit(""), "etc/k3s.env": ""}, kine},
		"an embedded etcd is in use": {map[string]string{k3sService: unit("--datastore-endpoint=http://a:1"), "etc/k3s.env": "", k3sServer + "db/etcd/config": "name: a\n"}, embedded},
		"the first of a cluster":     {map[string]string{k3sService: unit("--cluster-init"), "etc/k3s.env": ""}, embedded},
		"the first, by its file":     {map[string]string{k3sService: unit(""), "etc/k3s.env": "", k3sFile: "cluster-init: true\n"}, embedded},
		"one that joins":             {map[string]string{k3sService: unit(""), "etc/k3s.env": "K3S_URL=https://10.0.0.1:6443\n"}, embedded},
		"a cluster in a database":    {map[string]string{k3sService: unit("--cluster-init --datastore-endpoint=mysql://a"), "etc/k3s.env": ""}, kine},
	} {
		t.Run(name, func(t *testing.T) {
			h := read(t, k3sNode(t, tc.files))
			a := onlyAPIServer(t, h)
			if got := fmt.Sprint(a.Config.Secrets().Servers) + a.Config.EtcdCA; got != tc.want || a.NotEvaluated != "" {
				t.Errorf("%s, not %s (%s)", got, tc.want, a.NotEvaluated)
			}
			if strings.Contains(fmt.Sprintf("%+v", h), "hunter2") {
				t.Error("a password is in the facts")
			}
		})
	}
}

func TestDropInsOfK3sReplaceOrAdd(t *testing.T) {
	a := onlyAPIServer(t, read(t, k3sNode(t, map[string]string{
		k3sService:                "[Service]\nExecStart=/usr/local/bin/k3s server -d /srv\n",
		k3sFile:                   "kube-apiserver-arg: [audit-log-path=/a]\nsecrets-encryption: true\n",
		k3sFile + ".d/10.yaml":    "kube-apiserver-arg+: token-auth-file=/t\nsecrets-encryption: false\n",
		k3sFile + ".d/README.txt": "secrets-encryption: true\n",
		"srv/server/x":            "",
	})))
	if a.Config.AuditLog != "/a" || a.Config.TokenAuthFile != "/t" || a.Config.EncryptionConfig != "" || !strings.HasPrefix(a.Config.TLSCert, "/srv/server/") {
		t.Errorf("%+v", a.Config)
	}
}

func TestArgumentsInK3sFlagsAddToThoseInItsFile(t *testing.T) {
	a := onlyAPIServer(t, read(t, k3sNode(t, map[string]string{
		k3sService: "[Service]\nExecStart=/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-path=/flag\n",
		k3sFile:    "kube-apiserver-arg: [token-auth-file=/file]\n",
	})))
	if a.Config.AuditLog != "/flag" || a.Config.TokenAuthFile != "/file" {
		t.Errorf("%+v", a.Config)
	}
}

func TestAnAPIServerWithAnIncompleteCommandLineIsNotEvaluated(t *testing.T) {
	pod := func(container string) map[string]string {
		return map[string]string{manifests + "a.yaml": "kind: Pod\nspec:\n  containers:\n  - " + container + "\n"}
	}
	const service = "etc/systemd/system/kube-apiserver.service"
	for name, files := range map[string]map[string]string{
		"a variable from elsewhere": pod(`{command: [kube-apiserver, --etcd-servers=$(E)], env: [{name: E, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]}`),
		"variables from elsewhere":  pod(`{command: [kube-apiserver, --etcd-servers=$(E)], envFrom: [{configMapRef: {name: x}}]}`),
		"a shell":                   pod(`{command: [/bin/sh, -c, "exec kube-apiserver --etcd-servers=http://a:1"]}`),
		"a shell in a unit":         {service: "[Service]\nExecStart=/bin/sh -c \"exec kube-apiserver --etcd-servers=http://a:1\"\n"},
		"a file that is not there":  {service: "[Service]\nEnvironmentFile=/e\nExecStart=/usr/bin/kube-apiserver --etcd-servers=http://a:1 $ARGS\n"},
		"an optional file that is no file": {
			service: "[Service]\nEnvironmentFile=-/e\nExecStart=/usr/bin/kube-apiserver --etcd-servers=http://a:1 $ARGS\n", "e/x": "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := onlyAPIServer(t, read(t, node(t, files)))
			if a.NotEvaluated == "" || len(a.Config.Unknown) > 0 {
				t.Errorf("%+v", a)
			}
		})
	}
	complete := map[string]string{service: "[Service]\nEnvironmentFile=-/e\nExecStart=/usr/bin/kube-apiserver --etcd-servers=http://a:1 $ARGS\n"}
	if a := onlyAPIServer(t, read(t, node(t, complete))); a.NotEvaluated != "" {
		t.Errorf("an optional file that is not there: %s", a.NotEvaluated)
	}
}

func TestALinkToADropInDirectoryHidesNoUnit(t *testing.T) {
	root := node(t, map[string]string{"usr/lib/systemd/system/etcd.service": etcdService, "srv/d/a.conf": "[Service]\nEnvironment=ETCD_NAME=a\n"})
	if err := symlink(root, "/srv/d", "etc/systemd/system/etcd.service.d"); err != nil {
		t.Fatal(err)
	}
	h := read(t, root)
	if len(h.Etcds) != 1 || !slices.ContainsFunc(h.Read, func(name string) bool { return strings.HasSuffix(name, "/a.conf") }) {
		t.Errorf("%+v", h.Etcds)
	}
}

func TestOfTwoVariablesOfAContainerTheLastCounts(t *testing.T) {
	h := read(t, node(t, map[string]string{manifests + "a.yaml": "kind: Pod\nspec:\n  containers:\n  - {command: [etcd], env: [{name: ETCD_DATA_DIR, value: /a}, {name: ETCD_DATA_DIR, value: /b}]}\n"}))
	if len(h.Etcds) != 1 || h.Etcds[0].Config.DataDir != "/b" {
		t.Errorf("%+v", h.Etcds)
	}
}

func TestAUnitIsReadAsTheReleaseOfItsProcess(t *testing.T) {
	root := node(t, map[string]string{"etc/hostname": "n"})
	r := &reader{tree: hostfacts.Tree{Root: root}, procs: hostfacts.Processes{Dir: root, Recorded: true}, host: &facts.Host{Root: root}, read: map[string]bool{}}
	args := []string{"--enable-v2=false"} // 3.5 alone has it
	e := r.etcd("a", start{program: etcdProgram, args: args, version: "3.5.9", process: &hostfacts.Running{PID: 1, SameRoot: true}}, &start{program: etcdProgram, args: args})
	if e.Config.Refused != "" || e.Manifest != nil {
		t.Errorf("%q, %+v", e.Config.Refused, e.Manifest)
	}
}

func TestALinkInThePlaceOfProcIsNotFollowed(t *testing.T) {
	root := node(t, map[string]string{"etc/hostname": "n"})
	if err := symlink(root, "/proc", "proc"); err != nil {
		t.Fatal(err)
	}
	h := read(t, root)
	if len(h.Unread) != 1 || h.Unread[0].What != "/proc" {
		t.Errorf("%+v", h.Unread)
	}
}

func TestBothEtcdsOfOnePodAreReported(t *testing.T) {
	h := read(t, node(t, map[string]string{
		manifests + "a.yaml": "kind: Pod\nspec:\n  containers:\n  - {command: [etcd, --data-dir=/a]}\n  - {command: [etcd, --data-dir=/b]}\n",
		"proc/9/cmdline":     "etcd\x00--data-dir=/a\x00",
	}))
	if len(h.Etcds) != 2 {
		t.Errorf("%+v", h.Etcds)
	}
}

// What lies in a directory of data that k3s is told of is looked at as in its usual one.
func TestK3sAndRKE2WithTheirDataElsewhere(t *testing.T) {
	cert, key, _ := issued(t)
	for name, files := range map[string]map[string]string{
		"k3s":  {k3sFile: "data-dir: /big\n", k3sService: "[Service]\nExecStart=/usr/local/bin/k3s server\n"},
		"RKE2": {"etc/systemd/system/rke2-server.service": "[Service]\nEnvironment=RKE2_DATA_DIR=/big RKE2_TOKEN=hunter2\nExecStart=/usr/local/bin/rke2 server --token=hunter2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files["big/server/token"] = "hunter2"
			files["big/server/tls/a.crt"], files["big/server/tls/a.key"] = cert, key
			files["big/agent/pod-manifests/etcd.yaml"] = "kind: Pod\nspec:\n  containers:\n  - image: etcd:3.6.5\n    command: [etcd, --data-dir=/d]\n"
			h := read(t, node(t, files))
			if k := keptAt(t, h, "/big/server/token"); k.Secret == "" {
				t.Errorf("%+v", k)
			}
			if len(h.Certificates) != 1 || !h.Certificates[0].HasKey || len(h.Etcds) != 1 || string(h.Setup.Kind) != name {
				t.Errorf("%+v, %+v, %+v", h.Certificates, h.Etcds, h.Setup)
			}
			if name != "RKE2" {
				return
			}
			var found []string
			for _, w := range h.Looked[len(h.Looked)-1].Found {
				found = append(found, w.Name)
			}
			if !slices.Equal(found, []string{"--token", "RKE2_TOKEN"}) || keptAt(t, h, "/etc/systemd/system/rke2-server.service").Secret == "" {
				t.Errorf("%q in %+v", found, h.Looked)
			}
		})
	}
}
