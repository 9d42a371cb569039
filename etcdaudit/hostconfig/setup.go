package hostconfig

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/boundedyaml"
)

// setup says how the control plane was set up, what is not on this node, and whom to ask.
func (r *reader) setup(starts []start) {
	s := &r.host.Setup
	has := func(name string) bool { return r.tree.Stat(name).Exists }
	runs := len(r.host.Etcds)+len(r.host.APIServers) > 0
	startedBy := func(fits func(start) bool) (source string) {
		if i := slices.IndexFunc(starts, fits); i >= 0 {
			return starts[i].source
		}
		return ""
	}
	pods := startedBy(func(s start) bool { return s.pod })
	unit := startedBy(func(s start) bool { return s.unit != "" })
	rke2, k3s := r.rancherDir(rke2Program), r.rancherDir(k3sProgram)
	kind, sign, why := r.distribution()
	switch {
	case kind != "":
		s.Kind, s.Fact = kind, sign
		if !runs {
			s.Fact += ": " + why
		}
	case runs && strings.HasPrefix(pods, rke2+"/"), runs && has(rke2+"/server"):
		s.Kind, s.Fact = facts.RKE2, rke2+"/server"
	case runs && startedBy(func(s start) bool { return s.inside }) != "":
		s.Kind, s.Fact = facts.K3s, k3s+"/server"
	case runs && pods != "":
		s.Kind, s.Fact = facts.Kubeadm, pods
	case runs && unit != "":
		s.Kind, s.Fact = facts.Systemd, unit
	case runs:
		s.Kind, s.Fact = facts.Bare, "running processes that no manifest and no unit known here starts"
	case len(r.lost) > 0:
		s.Kind, s.Fact = facts.Unknown, fmt.Sprintf("%s could not be read: %s", r.lost[0].What, r.lost[0].Why)
	default:
		r.withoutControlPlane(s)
	}
	r.visit(s)
}

// distribution returns one whose programs are known by their processes alone, the file that
// shows it, and why neither an etcd nor an API server is found without them.
func (r *reader) distribution() (kind facts.SetupKind, sign, why string) {
	for _, d := range []struct {
		kind  facts.SetupKind
		signs []string
		text  string // in the sign
		why   string
	}{
		{facts.K0s, []string{"/etc/k0s/k0s.yaml", "/var/lib/k0s/pki"}, "", "k0s starts etcd or kine, and the API server, itself, and no process of them was found"},
		{facts.Micro, []string{"/var/snap/microk8s/current/args"}, "", "MicroK8s has the API server inside kubelite, and k8s-dqlite in place of etcd, which are not read"},
		{facts.Talos, []string{"/etc/os-release"}, "ID=talos", "Talos keeps the configuration of etcd and of the API server in its machine configuration, which is not read (talosctl get machineconfig)"},
		{facts.Talos, []string{"/proc/version"}, "talos", "Talos keeps the configuration of etcd and of the API server in its machine configuration, which is not read (talosctl get machineconfig)"},
	} {
		for _, sign := range d.signs {
			if r.shows(sign, d.text) {
				return d.kind, sign, d.why
			}
		}
	}
	return "", "", ""
}

// shows reports whether a file is there, with a text in it if one is given.
func (r *reader) shows(name, text string) bool {
	if text == "" {
		return r.tree.Stat(name).Exists
	}
	found, _, err := r.tree.ReadFile(name, longestText)
	return err == nil && strings.Contains(string(found), text)
}

// provider is a managed control plane and the files on its nodes that show it.
type provider struct {
	name  string
	signs []string
	ask   string
}

func providers() []provider {
	const ask = "whether Secrets are encrypted in etcd and with which key, who may read etcd and its backups, and how etcd's own traffic is protected"
	return []provider{
		{"EKS", []string{"/etc/eks", "/etc/kubernetes/kubelet/kubelet-config.json", "/var/lib/kubelet/eks"}, "AWS: aws eks describe-cluster shows encryptionConfig (envelope encryption with a KMS key); ask " + ask},
		{"GKE", []string{"/home/kubernetes/bin", "/etc/srv/kubernetes"}, "Google: gcloud container clusters describe shows databaseEncryption; ask " + ask},
		{"AKS", []string{"/etc/kubernetes/azure.json", "/opt/azure"}, "Microsoft: az aks show shows securityProfile.azureKeyVaultKms; ask " + ask},
	}
}

// withoutControlPlane says why no etcd and no API server is here.
func (r *reader) withoutControlPlane(s *facts.Setup) {
	s.Kind, s.Fact = facts.Worker, "neither an etcd nor a kube-apiserver is configured or runs here"
	for _, p := range providers() {
		for _, sign := range p.signs {
			if r.tree.Stat(sign).Exists {
				s.Kind, s.Fact, s.Ask = facts.Managed, fmt.Sprintf("%s, and neither an etcd nor a kube-apiserver: a node of %s", sign, p.name), "ask "+p.ask
				return
			}
		}
	}
	for _, file := range append([]string{"/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/kubeconfig"}, r.rancherKubeconfigs()...) {
		if server := r.serverOf(file); server != "" {
			s.Fact += "; the kubelet's API server is " + server + " (" + file + ")"
			s.Visit = append(s.Visit, "kube-apiserver: "+server)
			return
		}
	}
}

// serverOf returns the host of the API server in a kubeconfig, "" if that is this node.
func (r *reader) serverOf(file string) string {
	text, ok := r.text(file)
	if !ok {
		return ""
	}
	var k struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
			} `json:"cluster"`
		} `json:"clusters"`
	}
	if boundedyaml.Unmarshal(text, &k) != nil || len(k.Clusters) == 0 {
		return ""
	}
	return otherHost(k.Clusters[0].Cluster.Server)
}

// otherHost returns the host of a URL, "" if that is this node.
func otherHost(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Hostname() == "localhost" {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		return ""
	}
	return u.Hostname()
}

// visit names the other nodes that the configuration here tells of.
func (r *reader) visit(s *facts.Setup) {
	own := map[string]bool{}
	other := map[string]bool{}
	for _, e := range r.host.Etcds {
		for _, list := range [][]string{e.Config.ListenClient, e.Config.ListenPeer, e.Config.AdvertiseClient, e.Config.AdvertisePeer} {
			for _, u := range list {
				own[otherHost(u)] = true
			}
		}
		for _, setting := range e.Config.Settings {
			if setting.Name != "initial-cluster" {
				continue
			}
			for member := range strings.SplitSeq(setting.Value, ",") {
				_, u, _ := strings.Cut(member, "=")
				other[otherHost(u)] = true
			}
		}
	}
	for _, a := range r.host.APIServers {
		for _, etcd := range a.Config.Etcds {
			for _, u := range etcd.Servers {
				other[otherHost(u)] = true
			}
		}
	}
	for host := range other {
		if host != "" && !own[host] {
			s.Visit = append(s.Visit, "etcd: "+host)
		}
	}
	if len(r.host.Etcds) > 0 && len(r.host.APIServers) == 0 {
		for _, file := range append([]string{"/etc/kubernetes/kubelet.conf"}, r.rancherKubeconfigs()...) {
			if server := r.serverOf(file); server != "" {
				s.Visit = append(s.Visit, "kube-apiserver: "+server)
			}
		}
	}
	slices.Sort(s.Visit)
	s.Visit = slices.Compact(s.Visit)
}
