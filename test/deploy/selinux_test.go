package deploy

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// SELinux takes one of /run and /var/run for the other before it looks a path up, and
// which one differs; a rule for the name that is not looked for has no effect.
func TestTheSELinuxModuleLabelsTheFilesOnEverySystem(t *testing.T) {
	rules := regexp.MustCompile(`(?m)^\(filecon "([^"]+)" any \(system_u object_r (\w+) \(\(s0\) \(s0\)\)\)\)$`).
		FindAllStringSubmatch(string(read(t, "deploy/rke2/kmsplugin.cil")), -1)
	label := func(path string) string {
		found := "none"
		for _, rule := range rules {
			if regexp.MustCompile("^" + rule[1] + "$").MatchString(path) {
				found = rule[2]
			}
		}
		return found
	}
	for system, same := range map[string]struct{ name, lookedUpAs string }{
		"RHEL 8 and 9":          {"/run", "/var/run"},
		"RHEL 10 and Fedora 40": {"/var/run", "/run"},
	} {
		for path, want := range map[string]string{
			socketDir: "container_file_t", socketPath: "container_file_t",
			filepath.Dir(encryptionFile): "container_file_t", encryptionFile: "container_file_t",
			socketDir + "2/other": "none", "/etc/kubernetes/admin.conf": "none",
		} {
			lookedUp := path
			if rest, ok := strings.CutPrefix(path, same.name+"/"); ok {
				lookedUp = same.lookedUpAs + "/" + rest
			}
			if got := label(lookedUp); got != want {
				t.Errorf("%s: the label of %s is %s, want %s", system, path, got, want)
			}
		}
	}
}
