package hostconfig

import (
	"strings"
	"testing"
)

func TestStaticPodsAreWhereTheKubeletIsToldToLook(t *testing.T) {
	const (
		unit   = "etc/systemd/system/kubelet.service"
		dropIn = "etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
		ours   = "srv/pods/etcd.yaml"
		usual  = "var/lib/kubelet/config.yaml"
	)
	process := func(args ...string) string {
		return strings.Join(append([]string{"/usr/bin/kubelet"}, args...), "\x00") + "\x00"
	}
	for name, files := range map[string]map[string]string{
		"its usual file":                    {usual: "staticPodPath: /srv/pods"},
		"a flag of the process":             {"proc/9/cmdline": process("--pod-manifest-path=/srv/pods"), usual: "staticPodPath: /gone"},
		"a flag in two words":               {"proc/9/cmdline": process("--pod-manifest-path", "/srv/pods")},
		"one file":                          {"proc/9/cmdline": process("--pod-manifest-path=/srv/pods/etcd.yaml")},
		"the file of the process":           {"proc/9/cmdline": process("--config=/k.yaml"), "k.yaml": "staticPodPath: /srv/pods", usual: "staticPodPath: /gone"},
		"a path beside the file":            {"proc/9/cmdline": process("--config=/srv/k.yaml"), "srv/k.yaml": "staticPodPath: pods"},
		"a drop-in of the file":             {"proc/9/cmdline": process("--config=/k.yaml", "--config-dir=/k.d"), "k.yaml": "staticPodPath: /gone", "k.d/1.conf": "staticPodPath: /srv/pods", "k.d/2.yaml": "staticPodPath: /gone"},
		"the file of the unit's drop-in":    {unit: "[Service]\nExecStart=/usr/bin/kubelet\n", dropIn: "[Service]\nEnvironment=\"A=--config=/k.yaml\"\nEnvironmentFile=-/gone\nExecStart=\nExecStart=/usr/bin/kubelet $A\n", "k.yaml": "staticPodPath: /srv/pods", usual: "staticPodPath: /gone"},
		"a unit that is not wholly known":   {unit: "[Service]\nEnvironmentFile=/gone\nExecStart=/usr/bin/kubelet $A\n", usual: "staticPodPath: /srv/pods"},
		"the process counts before a unit":  {"proc/9/cmdline": process("--pod-manifest-path=/srv/pods"), unit: "[Service]\nExecStart=/usr/bin/kubelet --pod-manifest-path=/gone\n"},
		"a flag of the unit, written later": {unit: "[Service]\nExecStart=/usr/bin/kubelet --pod-manifest-path=/gone --pod-manifest-path=/srv/pods\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files[ours] = etcdPod
			if h := read(t, node(t, files)); len(h.Etcds) != 1 || h.Etcds[0].Source != "/"+ours {
				t.Errorf("%+v, read: %q", h.Etcds, h.Read)
			}
		})
	}
}
