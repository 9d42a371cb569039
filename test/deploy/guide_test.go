package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

const guide = "docs/install.md"

func TestTheServiceIsInstalledAndUpgradedAsTheGuideSays(t *testing.T) {
	blocks := section(t, guide, "The plugin as a systemd service")
	if len(blocks) != 3 || !strings.HasPrefix(blocks[1], "local-kek:\n") {
		t.Fatalf("the section is not installation, a setting, upgrade: %q", blocks)
	}
	n := newNode(t)
	plugin := testkit.Must(os.ReadFile(binaries(t).Path(components.KMSPlugin)))(t)
	put(t, filepath.Join(n.work, "kmsplugin-linux-amd64"), string(plugin))
	n.run(t, blocks[0])
	n.run(t, blocks[2])

	for path, mode := range map[string]os.FileMode{
		unitBinary: 0o755, "/etc/sysusers.d/kmsplugin.conf": 0o644,
		"/etc/systemd/system/kmsplugin.service": 0o644, "/etc/systemd/system/kmsplugin.socket": 0o644,
	} {
		n.checkMode(t, path, mode)
	}
	n.checkPluginFiles(t, "kmsplugin")
	want := []string{"daemon-reload", "enable --now kmsplugin.socket kmsplugin.service", "restart kmsplugin.service"}
	if got := n.called(t, "systemctl"); !slices.Equal(got, want) {
		t.Errorf("systemctl is called with %q, want %q", got, want)
	}
}

// checkPluginFiles checks what the plugin reads: only it and root may.
func (n node) checkPluginFiles(t *testing.T, user string) {
	t.Helper()
	for path, mode := range map[string]os.FileMode{
		"/etc/kmsplugin": 0o750, configFile: 0o640, "/etc/kmsplugin/vault-ca.crt": 0o640,
		"/etc/kmsplugin/role-id": 0o640, "/etc/kmsplugin/secret-id": 0o600,
	} {
		n.checkMode(t, path, mode)
	}
	n.checkOwner(t, "-g "+user, "/etc/kmsplugin")
	n.checkOwner(t, "-g "+user, "role-id /etc/kmsplugin/")
	n.checkOwner(t, "-o "+user, "/etc/kmsplugin/secret-id")
}

// pods returns the images of the pods that kubelet would run, by name.
func (n node) pods(t *testing.T) map[string]string {
	t.Helper()
	files := testkit.Must(os.ReadDir(n.path("/etc/kubernetes/manifests")))(t)
	images := map[string]string{}
	for _, f := range files {
		text := testkit.Must(os.ReadFile(n.path("/etc/kubernetes/manifests/" + f.Name())))(t)
		pod := decode[corev1.Pod](t, text)
		if f.Name() != pod.Name+".yaml" || len(pod.Spec.Containers) != 1 {
			t.Fatalf("%s is the pod %q:\n%s", f.Name(), pod.Name, text)
		}
		images[pod.Name] = pod.Spec.Containers[0].Image
		n.checkMode(t, "/etc/kubernetes/manifests/"+f.Name(), 0o600)
	}
	return images
}

func checkPods(t *testing.T, n node, want map[string]string) {
	t.Helper()
	got := n.pods(t)
	if len(got) != len(want) {
		t.Fatalf("the pods are %v, want %v", got, want)
	}
	for name, image := range want {
		if got[name] != image {
			t.Fatalf("the pods are %v, want %v", got, want)
		}
	}
}

// What it rescues is in the memory of the first, which must be left alone.
func TestASecondPluginIsPutBesideTheFirstAsTheGuideSays(t *testing.T) {
	blocks := section(t, "docs/disaster-recovery.md", "A second plugin beside the first")
	if len(blocks) != 2 {
		t.Fatalf("the section is not a service and a static pod: %q", blocks)
	}
	n := newNode(t)
	units := n.path("/etc/systemd/system")
	testkit.Check(t, os.CopyFS(units, os.DirFS(unitDir(t))))
	n.run(t, blocks[0])
	out, err := analyze(t, units, "verify", "--man=no", "kmsplugin-rescue.service", "kmsplugin-rescue.socket")
	if own := about(out, "kmsplugin"); err != nil || own != "" {
		t.Errorf("%v\n%s", err, out)
	}
	for _, call := range n.called(t, "systemctl") {
		if call != "daemon-reload" && call != "start kmsplugin-rescue.socket kmsplugin-rescue.service" {
			t.Errorf("systemctl %s", call)
		}
	}
	put(t, filepath.Join(n.work, "kmsplugin.yaml"), string(read(t, "deploy/static-pod/kmsplugin.yaml")))
	n.run(t, blocks[1])
	for file, own := range map[string][]string{
		units + "/kmsplugin-rescue.socket":                        {"/run/kmsplugin/rescue.sock"},
		units + "/kmsplugin-rescue.service":                       {"/etc/kmsplugin/rescue.yaml", "=kmsplugin-rescue.socket", "StateDirectory=kmsplugin-rescue"},
		n.path("/etc/kubernetes/manifests/kmsplugin-rescue.yaml"): {"/etc/kmsplugin/rescue.yaml", "name: kmsplugin-rescue", "port: 8086"},
	} {
		text := testkit.Must(os.ReadFile(file))(t)
		for _, want := range own {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q", file, want)
			}
		}
		for _, first := range []string{"sealproof.sock", "kmsplugin/config.yaml", "=kmsplugin.socket", "StateDirectory=kmsplugin\n", "name: kmsplugin\n", "8085"} {
			if strings.Contains(string(text), first) {
				t.Errorf("%s has %q, which is the first plugin's", file, first)
			}
		}
	}
}

func TestTheStaticPodIsInstalledAndUpgradedAgainAndAgain(t *testing.T) {
	blocks := section(t, guide, "The plugin as a static pod (kubeadm)")
	if len(blocks) != 2 {
		t.Fatalf("the section is not installation and upgrade: %q", blocks)
	}
	pod, c := staticPod(t)
	user := itoa(*pod.Spec.SecurityContext.RunAsUser)
	const repository = "registry.test:5000/sealproof/kmsplugin"
	for name, images := range map[string][]string{
		"tags":    {repository + ":v0.1.0", repository + ":v0.2.0", repository + ":v0.10.0", repository + ":v0.2.0"},
		"digests": {repository + "@sha256:" + strings.Repeat("1f", 32), repository + "@sha256:" + strings.Repeat("2e", 32), repository + "@sha256:" + strings.Repeat("3d", 32)},
		"both":    {repository + ":v0.1.0", repository + ":v0.2.0@sha256:" + strings.Repeat("2e", 32), repository + ":v0.3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			manifest := filepath.Join(n.work, "deploy/static-pod/kmsplugin.yaml")
			n.edit(t, manifest, c.Image, images[0])
			n.run(t, blocks[0])
			n.checkPluginFiles(t, user)
			n.checkMode(t, "/etc/tmpfiles.d/kmsplugin.conf", 0o644)
			checkPods(t, n, map[string]string{"kmsplugin-a": images[0]})

			names := []string{"kmsplugin-a", "kmsplugin-b"}
			for i, image := range images[1:] {
				older, newer := names[i%2], names[(i+1)%2]
				n.edit(t, manifest, images[i], image)
				out := n.run(t, blocks[1])
				checkPods(t, n, map[string]string{older: images[i], newer: image})
				// The guide has the operator run what the script prints.
				_, remove, ok := strings.Cut(out, "rm ")
				if !ok {
					t.Fatalf("it does not say what to remove:\n%s", out)
				}
				if out, err := execute(t, n.work, "sh", "-c", "rm "+remove); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				checkPods(t, n, map[string]string{newer: image})
			}
		})
	}
}

// Whatever is wrong, the pod that serves stays as it is.
func TestAnUpgradeThatCannotBeDoneChangesNothing(t *testing.T) {
	const install = "sh deploy/static-pod/install.sh deploy/static-pod/kmsplugin.yaml"
	_, c := staticPod(t)
	for name, test := range map[string]struct {
		before  func(t *testing.T, n node, manifest string)
		command string
		want    string
		pods    map[string]string
	}{
		"no manifest is named": {command: "sh deploy/static-pod/install.sh", want: "no manifest given"},
		"there is none":        {command: "sh deploy/static-pod/install.sh missing.yaml", want: "missing.yaml"},
		"it is empty": {before: func(t *testing.T, _ node, manifest string) {
			t.Helper()
			put(t, manifest, "")
		}, want: `no line "  name: kmsplugin"`},
		"the pod has another name": {before: func(t *testing.T, n node, manifest string) {
			t.Helper()
			n.edit(t, manifest, "\n  name: kmsplugin\n", "\n  name: kms\n")
		}, want: `no line "  name: kmsplugin"`},
		"an upgrade is not finished": {before: func(t *testing.T, n node, _ string) {
			t.Helper()
			n.run(t, install)
		}, want: "an upgrade is not finished", pods: map[string]string{"kmsplugin-a": c.Image, "kmsplugin-b": c.Image}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.run(t, install)
			if test.before != nil {
				test.before(t, n, filepath.Join(n.work, "deploy/static-pod/kmsplugin.yaml"))
			}
			if test.command == "" {
				test.command = install
			}
			if test.pods == nil {
				test.pods = map[string]string{"kmsplugin-a": c.Image}
			}
			if out, err := n.try(t, test.command); err == nil || !strings.Contains(out, test.want) {
				t.Errorf("%v, it says %q, want %q", err, out, test.want)
			}
			checkPods(t, n, test.pods)
		})
	}
}

func TestAnImageThatIsTheSameIsSaidToBe(t *testing.T) {
	const install = "sh deploy/static-pod/install.sh deploy/static-pod/kmsplugin.yaml"
	_, c := staticPod(t)
	n := newNode(t)
	n.run(t, install)
	if out := n.run(t, install); !strings.Contains(out, "upgrades nothing") {
		t.Errorf("it says %q", out)
	}
	n.run(t, "rm /etc/kubernetes/manifests/kmsplugin-a.yaml")
	n.edit(t, filepath.Join(n.work, "deploy/static-pod/kmsplugin.yaml"), c.Image, "registry.test/other")
	if out := n.run(t, install); strings.Contains(out, "upgrades nothing") {
		t.Errorf("it says %q", out)
	}
}

// Both make the API server load the file of the step that the operator is at.
func TestRancherServersAreGivenTheirFilesAsTheGuideSays(t *testing.T) {
	const step = "deploy/encryption/to-aescbc.yaml"
	for heading, unit := range map[string]string{"RKE2": "rke2-server", "k3s": "k3s"} {
		n := newNode(t)
		for _, block := range section(t, guide, heading) {
			n.run(t, strings.ReplaceAll(block, "FILE", step))
		}
		n.checkEncryptionFile(t, step)
		distribution := strings.ToLower(heading)
		for path, mode := range map[string]os.FileMode{
			"/etc/rancher/" + distribution + "/config.yaml.d/sealproof.yaml": 0o600,
			"/etc/systemd/system/" + unit + ".service.d/kmsplugin.conf":      0o644,
		} {
			n.checkMode(t, path, mode)
		}
		if got, want := n.called(t, "systemctl"), []string{"daemon-reload", "restart " + unit}; !slices.Equal(got, want) {
			t.Errorf("%s: systemctl is called with %q, want %q", heading, got, want)
		}
	}
}

func (n node) checkEncryptionFile(t *testing.T, step string) {
	t.Helper()
	got, err := os.ReadFile(n.path(encryptionFile))
	if err != nil || !bytes.Equal(got, read(t, step)) {
		t.Errorf("the API server's file is not %s: %v\n%s", step, err, got)
	}
	n.checkMode(t, encryptionFile, 0o600)
	n.checkMode(t, filepath.Dir(encryptionFile), 0o700)
}
