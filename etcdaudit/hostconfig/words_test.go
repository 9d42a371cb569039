package hostconfig

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

func TestSecretsInArgumentsAndVariablesAreFoundByName(t *testing.T) {
	for text, want := range map[string]string{ // arguments; variables are words that begin with $
		"--discovery-password=hunter2":                    "--discovery-password",
		"--discovery-password hunter2 --name n":           "--discovery-password",
		"--datastore-endpoint=postgres://k3s:hunter2@db/": "--datastore-endpoint",
		"--datastore-endpoint mysql://k:hunter2@tcp(db)/": "--datastore-endpoint",
		"https://user:hunter2@vault":                      "argument 1",
		"$ETCDCTL_PASSWORD=hunter2":                       "ETCDCTL_PASSWORD",
		"$ETCDCTL_USER=root:hunter2":                      "ETCDCTL_USER",
		"$VAULT_TOKEN=hunter2":                            "VAULT_TOKEN",
		"$X=hvs.hunter2hunter2hunter2hunter2":             "X",
		"$AWS_SECRET_ACCESS_KEY=hunter2":                  "AWS_SECRET_ACCESS_KEY",
		"$K3S_TOKEN=hunter2":                              "K3S_TOKEN",
		"$HTTPS_PROXY=http://u:hunter2@proxy:3128":        "HTTPS_PROXY",
		"--auth-token=simple":                             "",
		"$ETCD_INITIAL_CLUSTER_TOKEN=k8s_etcd":            "",
		"--auth-token-ttl=300":                            "",
		"--token-auth-file=/etc/tokens.csv":               "",
		"--service-account-signing-key-file=/pki/sa.key":  "",
		"--service-account-max-token-expiration=24h0m0s":  "",
		"--service-account-extend-token-expiration=true":  "",
		"--enable-bootstrap-token-auth":                   "",
		"--enable-bootstrap-token-auth --name hunter2":    "",
		"--key-file=/etc/etcd/server.key --name=n":        "",
		"--listen-client-urls=https://192.0.2.10:2379":    "",
		"--authentication-token-webhook-version=v1beta1":  "",
		"--secrets-encryption-provider=aescbc":            "",
		"--etcd-s3-config-secret=name":                    "",
		"--token-auth-file=tokens.csv":                    "",
		"$KUBERNETES_TOKEN_TTL=never":                     "",
		"$GOOGLE_APPLICATION_CREDENTIALS=/etc/gcp.json":   "",
		"$CREDENTIALS=file:/etc/gcp/":                     "",
		// Base64 has slashes.
		"$K3S_TOKEN=/abCdEf+0123456789abcdef": "K3S_TOKEN",
		"$ETCDCTL_PASSWORD=/hunter2":          "ETCDCTL_PASSWORD",
		// A program that is started by env, or in a shell.
		"env VAULT_TOKEN=hunter2 etcd":                "VAULT_TOKEN",
		"env VAULT_TOKEN=${X} etcd":                   "",
		"env --discovery-password=$X etcd":            "--discovery-password",
		"--initial-cluster a=https://u:hunter2@h":     "--initial-cluster",
		"$VAULT_TOKEN=":                               "",
		"$ETCDCTL_USER=root":                          "",
		"$AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token": "",
	} {
		var args, env, found []string
		for _, word := range strings.Fields(text) {
			if variable, ok := strings.CutPrefix(word, "$"); ok {
				env = append(env, variable)
			} else {
				args = append(args, word)
			}
		}
		l := look("process 1", "etcd", args, env)
		for _, w := range l.Found {
			found = append(found, w.Name)
			if strings.Contains(w.Name+w.Why, "hunter2") {
				t.Errorf("%s: the secret is in %+v", text, w)
			}
		}
		if strings.Join(found, " ") != want || l.Arguments != len(args) || l.Variables != len(env) {
			t.Errorf("%s: %+v, want %q", text, l, want)
		}
	}
}

// Where a container, a unit or a process gives a program a secret, the name is in the facts
// and the secret is not.
func TestWordsAreSearchedInEverythingThatStartsAProgram(t *testing.T) {
	h := read(t, node(t, map[string]string{
		manifests + "etcd.yaml": "kind: Pod\nspec:\n  containers:\n  - image: registry.k8s.io/etcd:3.6.5-0\n    command: [etcd, --data-dir=/d, --discovery-password=hunter2]\n" +
			"    env: [{name: ETCDCTL_PASSWORD, value: hunter2}, {name: VAULT_TOKEN, valueFrom: {secretKeyRef: {name: a, key: b}}}]\n",
		"etc/systemd/system/kube-apiserver.service": "[Service]\nEnvironment=AWS_SECRET_ACCESS_KEY=hunter2\nEnvironmentFile=/etc/api.env\nExecStart=/usr/bin/kube-apiserver --x=$PGPASSWORD\n",
		"etc/api.env":                          "PGPASSWORD=hunter2\n",
		"etc/systemd/system/kmsplugin.service": "[Service]\nEnvironment=VAULT_TOKEN=hunter2\nExecStart=/usr/local/bin/kmsplugin serve\n",
		"proc/7/cmdline":                       "/usr/bin/etcd\x00--data-dir=/d\x00",
		"proc/7/environ":                       "ETCD_NAME=a\x00ETCD_DISCOVERY_PASSWORD=hunter2\x00",
		"etc/systemd/system/unrelated.service": "[Service]\nEnvironment=TOKEN=hunter2\nExecStart=/usr/bin/backup-etcd\n",
		"etc/kubernetes/manifests/other.yaml":  "kind: Pod\nspec:\n  containers:\n  - image: x\n    env: [{name: TOKEN, value: hunter2}]\n",
	}))
	want := map[string]string{
		"/etc/kubernetes/manifests/etcd.yaml":        "--discovery-password ETCDCTL_PASSWORD VAULT_TOKEN",
		"/etc/systemd/system/kube-apiserver.service": "AWS_SECRET_ACCESS_KEY",
		"/etc/api.env":                          "PGPASSWORD",
		"/etc/systemd/system/kmsplugin.service": "VAULT_TOKEN",
		"process 7":                             "ETCD_DISCOVERY_PASSWORD",
	}
	got := map[string]string{}
	for _, l := range h.Looked {
		var names []string
		for _, w := range l.Found {
			names = append(names, w.Name)
		}
		slices.Sort(names)
		got[l.Source] = strings.Join(names, " ")
	}
	for source, names := range want {
		if got[source] != names {
			t.Errorf("%s: %q, want %q", source, got[source], names)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%q", got)
	}
	secret := func(path string) bool {
		return slices.ContainsFunc(h.Kept, func(k facts.Kept) bool { return k.Path == path && k.Secret != "" })
	}
	for source := range want {
		if strings.HasPrefix(source, "/") && !secret(source) {
			t.Errorf("%s is not known to hold a secret: %+v", source, h.Kept)
		}
	}
}

func TestTheTextThatAShellRunsIsSearched(t *testing.T) {
	for text, want := range map[string]struct{ found, missing string }{
		`export ETCDCTL_PASSWORD="hunter2"; exec etcd --discovery-password='hunter2' --data-dir=/d`: {"ETCDCTL_PASSWORD --discovery-password", ""},
		`etcd --debug; VAULT_TOKEN=hunter2 kmsplugin serve`:                                         {"VAULT_TOKEN", ""},
		"etcd --debug\nVAULT_TOKEN=hunter2 kmsplugin serve":                                         {"VAULT_TOKEN", ""},
		"VAULT_TOKEN=$(cat /f) A_TOKEN=`cat /f` B_TOKEN=${C} etcd --data-dir=/d":                    {"", ""},
		`(etcd --discovery-password hunter2&)`:                                                      {"--discovery-password", ""},
	} {
		args, missing := searched([]string{"/bin/sh", "-ec", text})
		var found []string
		for _, w := range look("p", "etcd", args, nil).Found {
			found = append(found, w.Name)
		}
		if strings.Join(found, " ") != want.found || missing != want.missing {
			t.Errorf("%s: %q, %q in %q", text, found, missing, args)
		}
	}
	if args, missing := searched([]string{"sh", "/opt/etcd", "--token=x"}); len(args) != 2 || !strings.Contains(missing, "script") {
		t.Errorf("%q, %q", args, missing)
	}
}

// A file is closed for what stands in it, not for what stands in another file of its unit.
func TestEachFileOfAUnitIsJudgedByItself(t *testing.T) {
	const unit, etc = "/usr/lib/systemd/system/", "/etc/systemd/system/"
	h := read(t, node(t, map[string]string{
		unit + "etcd.service":                   "[Service]\nEnvironmentFile=/etc/etcd.env\nEnvironmentFile=/etc/other.env\nExecStart=/usr/bin/etcd --data-dir=/d --discovery-password=${PW}\n",
		"etc/etcd.env":                          "PW=hunter2\n",
		"etc/other.env":                         "A=b\n",
		unit + "kube-apiserver.service":         "[Service]\nExecStart=/bin/sh -c \"exec kube-apiserver --x=$$Y\"\n",
		etc + "kube-apiserver.service.d/a.conf": "[Service]\nEnvironment=A_PASSWORD=hunter2\n",
		etc + "kube-apiserver.service.d/b.conf": "[Service]\nEnvironment=A=b\n",
		etc + "kmsplugin.service":               "[Service]\nEnvironment=X=y\nExecStart=/usr/bin/kmsplugin serve --secret=$X\n",
		etc + "kmsplugin.service.d/z.conf":      "[Service]\nEnvironmentFile=/etc/none.env\n",
		manifests + "sh.yaml":                   "kind: Pod\nspec:\n  containers:\n  - image: etcd:3.6.5\n    command: [sh, -c, 'export ETCDCTL_PASSWORD=hunter2; exec etcd --data-dir=/d']\n",
		manifests + "script.yaml":               "kind: Pod\nspec:\n  containers:\n  - image: x\n    command: [sh, /opt/etcd]\n",
		manifests + "from.yaml":                 "kind: Pod\nspec:\n  containers:\n  - image: x\n    command: [kmsplugin, serve]\n    envFrom: [{configMapRef: {name: x}}]\n",
	}))
	for file, secret := range map[string]bool{
		unit + "etcd.service": false, "/etc/etcd.env": true, "/etc/other.env": false,
		unit + "kube-apiserver.service": false, etc + "kube-apiserver.service.d/a.conf": true, etc + "kube-apiserver.service.d/b.conf": false,
		etc + "kmsplugin.service": true, etc + "kmsplugin.service.d/z.conf": false, "/" + manifests + "sh.yaml": true, "/" + manifests + "script.yaml": false,
	} {
		if k := keptAt(t, h, file); (k.Secret != "") != secret {
			t.Errorf("%s: secret %q", file, k.Secret)
		}
	}
	for file, missing := range map[string]string{"script.yaml": "shell script", "from.yaml": "envFrom", "kmsplugin.service": "none.env", "sh.yaml": ""} {
		i := slices.IndexFunc(h.Looked, func(l facts.Looked) bool { return strings.Contains(l.Source, file) })
		if l := h.Looked[i]; !strings.Contains(l.Missing, missing) || (l.Missing == "") != (missing == "") {
			t.Errorf("%+v, want %q", l, missing)
		}
	}
}
