package hostconfig

import "testing"

// A package brings a unit with defaults, and kubeadm runs an etcd of its own.
func TestAUnitThatRunsNothingIsNotJudged(t *testing.T) {
	h := read(t, node(t, map[string]string{
		"etc/systemd/system/etcd.service": "[Service]\nExecStart=/usr/bin/etcd\n",
		"proc/9/cmdline":                  "/usr/local/bin/etcd\x00--name=a\x00", "proc/9/comm": "etcd\n",
		"proc/9/cgroup": "0::/kubepods.slice/cri-containerd-0123.scope\n",
	}))
	if len(h.Etcds) != 2 {
		t.Fatalf("%d etcds", len(h.Etcds))
	}
	for _, e := range h.Etcds {
		if unit := e.Process == nil; unit != (e.Config.NotEvaluated != "") {
			t.Errorf("%s: %q", e.Name, e.Config.NotEvaluated)
		}
	}
}
