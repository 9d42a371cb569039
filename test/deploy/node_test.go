package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// A node is a directory in place of /, in which the commands of a guide are run
// exactly as written. Commands that would start or query something are replaced by
// one that records its arguments.
type node struct {
	root string // in place of /
	work string // where the operator stands, with a release and files of their own
}

// standIns are the programs that do something else than on a node.
var standIns = map[string]string{
	"systemctl": "", "systemd-sysusers": "", "systemd-tmpfiles": "", "semodule": "", "restorecon": "", "crictl": "",
	// Only root may give files away.
	"install": `n=$#
while [ "$n" -gt 0 ]; do
	arg=$1; shift; n=$((n-1))
	case $arg in
	-o|-g) shift; n=$((n-1)) ;;
	*) set -- "$@" "$arg" ;;
	esac
done
exec /usr/bin/install "$@"`,
	"kmsplugin": `[ "$1" = status ] || exec "$ROOT/usr/local/bin/kmsplugin" "$@"`,
	"kubectl": `case "$*" in
*kubeadm-config*) cat "$ROOT/cluster-configuration" ;;
*) echo ok ;;
esac`,
	// That files differ is what it is called for.
	"diff": `/usr/bin/diff "$@" >"$ROOT/diff" || [ $? -eq 1 ]`,
	// It knows no other /etc/kubernetes/manifests but by a dry run.
	"kubeadm": `case "$*" in
*--dry-run*) ;;
*) export KUBEADM_INIT_DRYRUN_DIR="$ROOT/etc/kubernetes/manifests"; set -- "$@" --dry-run ;;
esac
exec "$KUBEADM" "$@"`,
}

func newNode(t *testing.T) node {
	t.Helper()
	base := t.TempDir()
	n := node{root: filepath.Join(base, "root"), work: filepath.Join(base, "work")}
	// What is there on any node.
	for _, dir := range []string{"stand-ins", "usr/local/bin", "run", "etc/systemd/system", "etc/kubernetes/manifests", "etc/rancher/rke2"} {
		testkit.Check(t, os.MkdirAll(filepath.Join(n.root, dir), 0o755))
	}
	for name, script := range standIns {
		file := filepath.Join(n.root, "stand-ins", name)
		put(t, file, "#!/bin/sh -eu\necho "+name+" \"$@\" >>\"$ROOT/called\"\n"+script+"\n")
		testkit.Check(t, os.Chmod(file, 0o755))
	}
	for _, name := range []string{"vault-ca.crt", "role-id", "secret-id"} {
		put(t, filepath.Join(n.work, name), name+"\n")
	}
	testkit.Check(t, os.CopyFS(filepath.Join(n.work, "deploy"), os.DirFS(filepath.Join(root, "deploy"))))
	n.edit(t, filepath.Join(n.work, "deploy/static-pod/install.sh"), "/etc/kubernetes/manifests", n.path("/etc/kubernetes/manifests"))
	return n
}

func (n node) path(p string) string { return filepath.Join(n.root, p) }

// edit is what an operator does to a file: put one text in the place of another.
func (n node) edit(t *testing.T, file, from, to string) {
	t.Helper()
	text := testkit.Must(os.ReadFile(file))(t)
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q", file, from)
	}
	testkit.Check(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), from, to)), 0o600))
}

// nodePath finds paths of the node in a command.
var nodePath = regexp.MustCompile(`(^|[\s"'=:])/(etc|run|usr|var)\b`)

// run runs commands as root would on the node, and returns what they print.
func (n node) run(t *testing.T, commands string) string {
	t.Helper()
	out, err := n.try(t, commands)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, out)
	}
	return out
}

func (n node) try(t *testing.T, commands string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", nodePath.ReplaceAllString(commands, "${1}"+n.root+"/$2"))
	cmd.Dir = n.work
	cmd.Env = []string{
		"PATH=" + n.path("stand-ins") + ":/usr/bin:/bin", "ROOT=" + n.root, "HOME=" + n.work,
		"KUBEADM=" + binaries(t).Path(components.Kubeadm),
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// called returns what a stand-in was called with, in order, with the node's paths.
func (n node) called(t *testing.T, name string) []string {
	t.Helper()
	text := testkit.Must(os.ReadFile(n.path("called")))(t)
	var calls []string
	for line := range strings.Lines(strings.ReplaceAll(string(text), n.root, "")) {
		if args, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			calls = append(calls, args)
		}
	}
	return calls
}

// checkMode checks who may do what with a file that was installed.
func (n node) checkMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(n.path(path))
	if err != nil {
		t.Error(err)
		return
	}
	if info.Mode().Perm() != want {
		t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
	}
}

// checkOwner checks whom the guide gives a file or a directory: the arguments of
// install that do so, and the path, must be in one call.
func (n node) checkOwner(t *testing.T, owner, path string) {
	t.Helper()
	if calls := n.called(t, "install"); !slices.ContainsFunc(calls, func(call string) bool {
		return strings.Contains(call, owner+" ") && strings.HasSuffix(call, path)
	}) {
		t.Errorf("%s is not installed with %s: %q", path, owner, calls)
	}
}

// section returns the blocks of commands in a section of a guide.
func section(t *testing.T, guide, heading string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(string(read(t, guide)), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", guide, heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	var blocks []string
	var block strings.Builder
	for line := range strings.Lines(rest + "\n") {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			block.WriteString(command)
			continue
		}
		if block.Len() > 0 {
			blocks = append(blocks, block.String())
			block.Reset()
		}
	}
	return blocks
}
