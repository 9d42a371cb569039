package deploy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/components"
)

// verifyGuide is for auditors who open values.
const verifyGuide = "docs/auditor-verify.md"

// Guides name files; a file that moves must take them with it.
func TestTheGuidesNameWhatIsThere(t *testing.T) {
	for _, name := range []string{guide, "docs/upgrades.md", "docs/migration.md", "docs/disaster-recovery.md", verifyGuide} {
		text := string(read(t, name))
		for _, path := range regexp.MustCompile(`\bdeploy/[A-Za-z0-9_./+-]*[A-Za-z0-9]`).FindAllString(strings.ReplaceAll(text, "test/deploy", ""), -1) {
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s names %s: %v", name, path, err)
			}
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, "docs", link[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
			}
		}
	}
	all := string(read(t, guide)) + string(read(t, "docs/release.md")) + string(read(t, verifyGuide))
	err := fs.WalkDir(os.DirFS(filepath.Join(root, "deploy")), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(all, path) && !strings.HasSuffix(path, ".dockerignore") {
			t.Errorf("no guide says what deploy/%s is for", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Where a file says that it belongs, the guide puts it.
func TestFilesGoWhereTheySayThatTheyBelong(t *testing.T) {
	guide := string(read(t, "docs/install.md"))
	for file, place := range map[string]string{
		"deploy/static-pod/tmpfiles.conf": "/etc/tmpfiles.d/kmsplugin.conf",
		"deploy/systemd/sysusers.conf":    "/etc/sysusers.d/kmsplugin.conf",
		"deploy/rke2/sealproof.yaml":      "/etc/rancher/rke2/config.yaml.d/sealproof.yaml",
		"deploy/rke2/start-order.conf":    "/etc/systemd/system/rke2-server.service.d/kmsplugin.conf",
		"deploy/k3s/sealproof.yaml":       "/etc/rancher/k3s/config.yaml.d/sealproof.yaml",
		"deploy/k3s/start-order.conf":     "/etc/systemd/system/k3s.service.d/kmsplugin.conf",
	} {
		if !strings.Contains(guide, file+" "+place+"\n") {
			t.Errorf("the guide does not put %s at %s", file, place)
		}
		if text := string(read(t, file)); !strings.Contains(text, place) {
			t.Errorf("%s does not say that it belongs at %s", file, place)
		}
	}
}

// Every command of the plugin's that a guide gives must be one.
func TestThePluginHasTheCommandsThatGuidesName(t *testing.T) {
	for _, guide := range []string{"docs/install.md", "docs/release.md", "docs/alerts.md"} {
		for _, m := range regexp.MustCompile("(?:\n    |`)kmsplugin ([a-z]+)").FindAllStringSubmatch(string(read(t, guide)), -1) {
			if out, err := execute(t, ".", binaries(t).Path(components.KMSPlugin), m[1], "--help"); err != nil || !strings.Contains(out, "kmsplugin "+m[1]) {
				t.Errorf("%s names kmsplugin %s: %v %s", guide, m[1], err, out)
			}
		}
	}
}
