package fix_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
)

func TestEtcdIsToldInTheSetupAtHand(t *testing.T) {
	const config = "/var/lib/rancher/rke2/server/db/etcd/config"
	for name, tt := range map[string]struct {
		kind           facts.SetupKind
		source, file   string
		setting, wants string
		never          string
	}{
		"kubeadm":                         {facts.Kubeadm, "/etc/kubernetes/manifests/etcd.yaml", "", "client-cert-auth=true", "in /etc/kubernetes/manifests/etcd.yaml set --client-cert-auth=true, and the same under etcd.local.extraArgs", ""},
		"kubeadm, read from its process":  {facts.Kubeadm, "process 12", "", "client-cert-auth=true", "/etc/kubernetes/manifests/etcd.yaml", "process 12"},
		"a unit":                          {facts.Systemd, "/etc/systemd/system/etcd.service", "", "client-cert-auth=true", "ETCD_CLIENT_CERT_AUTH=true in its EnvironmentFile does as well, but not both", ""},
		"a unit beside static pods":       {facts.Kubeadm, "/etc/systemd/system/etcd.service + /etc/etcd.env", "", "client-cert-auth=true", "in /etc/systemd/system/etcd.service + /etc/etcd.env set --client-cert-auth=true", "manifests"},
		"a static pod beside units":       {facts.Systemd, "/etc/kubernetes/manifests/etcd.yaml", "", "client-cert-auth=true", "in /etc/kubernetes/manifests/etcd.yaml set --client-cert-auth=true", "systemctl"},
		"a unit with a file":              {facts.Systemd, "/etc/systemd/system/etcd.service", "/etc/etcd.yaml", "peer-client-cert-auth=true", "in /etc/etcd.yaml set peer-transport-security.client-cert-auth: true", "etcd.service"},
		"a file knows suites as a list":   {facts.Bare, "process 12", "/etc/etcd.yaml", "cipher-suites=A,B", "cipher-suites: [A,B]", ""},
		"RKE2 passes on plain settings":   {facts.RKE2, "", config, "log-level=info", `in /etc/rancher/rke2/config.yaml set etcd-arg: ["log-level=info"], and restart rke2-server`, ""},
		"RKE2 passes on no section":       {facts.RKE2, "", config, "client-cert-auth=true", "has no argument for it: find out what has changed " + config, "etcd-arg"},
		"nor a list":                      {facts.RKE2, "", config, "cipher-suites=A,B", "has no argument for it", "etcd-arg"},
		"k3s opens metrics by a setting":  {facts.K3s, "", config, "listen-metrics-urls=http://127.0.0.1:2381", "in /etc/rancher/k3s/config.yaml remove etcd-expose-metrics", ""},
		"a process that nothing is known": {facts.Bare, "process 12", "", "client-cert-auth=true", "start etcd (pid 12) with --client-cert-auth=true", ""},
	} {
		got := fix.Etcd(&facts.Host{Setup: facts.Setup{Kind: tt.kind}}, &facts.Etcd{Name: "etcd (pid 12)", Source: tt.source, ConfigFile: tt.file}, tt.setting)
		if !strings.Contains(got, tt.wants) || tt.never != "" && strings.Contains(got, tt.never) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := fix.Etcd(nil, nil, "client-cert-auth=true"); !strings.Contains(got, "start etcd with --client-cert-auth=true") || !strings.Contains(got, "client-transport-security.client-cert-auth: true") {
		t.Error(got)
	}
}

// etcd ends with "conflicting environment variable" where a setting is given twice.
func TestAUnitWithAnEnvironmentFileIsChangedThere(t *testing.T) {
	h := &facts.Host{Setup: facts.Setup{Kind: facts.Kubeadm}}
	e := &facts.Etcd{Source: "/etc/systemd/system/etcd.service", EnvironmentFile: "/etc/etcd.env"}
	e.Config.Settings = []etcdconfig.Setting{
		{Name: "log-level", Origin: etcdconfig.Origin{Kind: etcdconfig.Flag}},
		{Name: "enable-pprof", Origin: etcdconfig.Origin{Kind: etcdconfig.Environment}},
	}
	const want = "in /etc/etcd.env set ETCD_ENABLE_PPROF=false ETCD_CLIENT_CERT_AUTH=true; in /etc/systemd/system/etcd.service set --log-level=info, then systemctl daemon-reload; then restart the unit"
	if got := fix.Etcd(h, e, "enable-pprof=false", "log-level=info", "client-cert-auth=true"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := fix.Etcd(h, e, "log-level=info"); strings.Contains(got, "etcd.env") {
		t.Error(got)
	}
}

func TestTheAPIServerIsToldInTheSetupAtHand(t *testing.T) {
	for kind, want := range map[facts.SetupKind]string{
		facts.Kubeadm: "in /etc/kubernetes/manifests/kube-apiserver.yaml set --x=y, and the same under apiServer.extraArgs",
		facts.RKE2:    `in /etc/rancher/rke2/config.yaml set kube-apiserver-arg: ["x=y"], and restart rke2-server`,
		facts.K3s:     `in /etc/rancher/k3s/config.yaml set kube-apiserver-arg: ["x=y"], and restart k3s`,
		facts.K0s:     "in /etc/k0s/k0s.yaml under spec.api.extraArgs set --x=y",
		facts.Systemd: "in apiserver.service set --x=y, then systemctl daemon-reload",
		facts.Bare:    "start kube-apiserver with --x=y",
	} {
		source := map[facts.SetupKind]string{facts.Systemd: "apiserver.service"}[kind]
		a := &facts.APIServer{Name: "kube-apiserver", Source: cmp.Or(source, "process 12")}
		h := &facts.Host{Setup: facts.Setup{Kind: kind}}
		if got := fix.APIServer(h, a, "x=y"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", kind, got)
		}
		if got := fix.Without(h, a, "x"); !strings.Contains(got, "remove") || !strings.Contains(got, "x") {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

func TestAUnitBesideStaticPodsIsChangedItself(t *testing.T) {
	h := &facts.Host{Setup: facts.Setup{Kind: facts.Kubeadm}}
	a := &facts.APIServer{Name: "kube-apiserver", Source: "/etc/systemd/system/kube-apiserver.service"}
	for _, got := range []string{fix.APIServer(h, a, "x=y"), fix.Without(h, a, "x")} {
		if !strings.Contains(got, a.Source) || strings.Contains(got, "kubeadm") {
			t.Error(got)
		}
	}
}

func TestNoFlagIsNamedBesideItsVariable(t *testing.T) {
	variable := etcdconfig.Origin{Kind: etcdconfig.Environment, Text: "ETCD_AUTO_TLS"}
	inForce := etcdconfig.Effective{Settings: []etcdconfig.Setting{{Name: "auto-tls", Origin: variable}}}
	empty := etcdconfig.Effective{Voids: []etcdconfig.Void{{Name: "auto-tls", Origin: variable}}}
	for kind, source := range map[facts.SetupKind]string{facts.Kubeadm: "/m/etcd.yaml", facts.Systemd: "etcd.service", facts.Bare: "process 12"} {
		for _, c := range []etcdconfig.Effective{inForce, empty} {
			e := &facts.Etcd{Name: "etcd (pid 12)", Source: source, Config: c}
			got := fix.Etcd(&facts.Host{Setup: facts.Setup{Kind: kind}}, e, "auto-tls=false", "cert-file=CERT")
			if strings.Contains(got, "--auto-tls") || !strings.Contains(got, "ETCD_AUTO_TLS=false") || !strings.Contains(got, "--cert-file=CERT") || strings.Contains(got, "does as well") {
				t.Errorf("%s: %s", kind, got)
			}
		}
	}
}
