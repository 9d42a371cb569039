package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// analyze runs systemd-analyze on the units in dir.
func analyze(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("systemd's own checker is needed: apt-get install systemd (%v)", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	// Its own units, which it would check as well, are not the matter.
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

const unitBinary = "/usr/local/bin/kmsplugin"

// unitDir holds the units as they are installed, but for the plugin's path, which
// is that of a real one.
func unitDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"kmsplugin.service", "kmsplugin.socket"} {
		put(t, filepath.Join(dir, name), strings.ReplaceAll(string(read(t, "deploy/systemd/"+name)), unitBinary, binaries(t).Path(components.KMSPlugin)))
	}
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	testkit.Check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	testkit.Check(t, os.WriteFile(path, []byte(text), 0o644))
}

func TestSystemdFindsNothingWrongWithTheUnits(t *testing.T) {
	dir := unitDir(t)
	out, err := analyze(t, dir, "verify", "--man=no", "kmsplugin.service", "kmsplugin.socket")
	if own := about(out, "kmsplugin"); err != nil || own != "" {
		t.Errorf("%v\n%s", err, out)
	}
	// It must be able to find something.
	service := filepath.Join(dir, "kmsplugin.service")
	text := testkit.Must(os.ReadFile(service))(t)
	put(t, service, strings.Replace(string(text), "FileDescriptorStoreMax=4", "FileDescriptorStoreMaximum=4", 1))
	if out, _ := analyze(t, dir, "verify", "--man=no", "kmsplugin.service"); !strings.Contains(out, "FileDescriptorStoreMaximum") {
		t.Errorf("an unknown setting goes unseen:\n%s", out)
	}
}

// about returns the lines of systemd-analyze that concern our files.
func about(out, name string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, name) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// systemd's own list of what a service is not kept from. What remains is the
// network, what the unit's comments leave out, and what would need a root directory
// of its own.
func TestTheServiceHasNoMoreRightsThanItNeeds(t *testing.T) {
	needed := []string{
		"PrivateNetwork=", "IPAddressDeny=", "RestrictAddressFamilies=~AF_(INET|INET6)", // Vault, anywhere
		"RestrictAddressFamilies=~AF_UNIX", // the API server, systemd
		"PrivateUsers=",                    // the uids of peers
		"ProcSubset=",                      // the boot time
		"SystemCallFilter=~@resources",     // setrlimit: no core files
		"RootDirectory=/RootImage=",        // its files are the node's
		"DeviceAllow=",                     // a clock to read, with ProtectClock=
	}
	out, err := analyze(t, unitDir(t), "security", "--offline=yes", "--no-pager", "--threshold=20", "kmsplugin.service")
	if err != nil || !strings.Contains(out, "Overall exposure level") {
		t.Errorf("%v\n%s", err, out)
	}
	found := 0
	for line := range strings.Lines(out) {
		if allowed, ok := strings.CutPrefix(line, "✗ "); ok {
			found++
			if name, _, _ := strings.Cut(allowed, " "); !slices.Contains(needed, name) {
				t.Errorf("the service is not kept from something: %s", strings.Join(strings.Fields(line), " "))
			}
		}
	}
	if found == 0 {
		t.Errorf("nothing is allowed to the service, which cannot be:\n%s", out)
	}
}

// settings returns the values of each setting of a unit, by section.
func settings(t *testing.T, path string) map[string]map[string][]string {
	t.Helper()
	found := map[string]map[string][]string{}
	section := ""
	for line := range strings.Lines(string(read(t, path))) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			found[section] = map[string][]string{}
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			found[section][name] = append(found[section][name], value)
		}
	}
	return found
}

func TestTheUnitsFitEachOtherAndThePlugin(t *testing.T) {
	service := settings(t, "deploy/systemd/kmsplugin.service")
	socket := settings(t, "deploy/systemd/kmsplugin.socket")
	one := func(unit map[string]map[string][]string, section, name string) string {
		t.Helper()
		if values := unit[section][name]; len(values) == 1 {
			return values[0]
		}
		t.Errorf("%s has the values %q, want one", name, unit[section][name])
		return ""
	}
	start := strings.Fields(one(service, "Service", "ExecStart"))
	if start[0] != unitBinary {
		t.Errorf("starts %s", start[0])
	}
	config := effective(t, "deploy/kmsplugin.yaml", start[1:])
	own, _ := config["socket"].(map[string]any)
	for what, got := range map[string]struct{ is, want any }{
		"the socket's path":                  {one(socket, "Socket", "ListenStream"), own["path"]},
		"the socket's mode":                  {one(socket, "Socket", "SocketMode"), own["mode"]},
		"the name that the plugin asks for":  {one(socket, "Socket", "FileDescriptorName"), "kms"},
		"the socket's group":                 {one(socket, "Socket", "SocketGroup"), one(service, "Service", "Group")},
		"the user":                           {one(service, "Service", "User"), "kmsplugin"},
		"readiness":                          {one(service, "Service", "Type"), "notify"},
		"what stays in the descriptor store": {one(service, "Service", "FileDescriptorStoreMax"), "4"},
		"restart":                            {one(service, "Service", "Restart"), "always"},
		"the limit of starts":                {one(service, "Unit", "StartLimitIntervalSec"), "0"},
		"core files":                         {one(service, "Service", "LimitCORE"), "0"},
		"capabilities":                       {one(service, "Service", "CapabilityBoundingSet"), ""},
	} {
		if got.is != got.want {
			t.Errorf("%s: %v, want %v", what, got.is, got.want)
		}
	}
	// With it the socket would go with the service, and requests with the socket.
	if service["Service"]["RuntimeDirectory"] != nil {
		t.Error("RuntimeDirectory= removes the socket's directory when the service stops")
	}
	for _, unit := range []map[string]map[string][]string{service, socket} {
		for _, server := range []string{"kubelet.service", "rke2-server.service", "k3s.service"} {
			if !strings.Contains(one(unit, "Unit", "Before"), server) {
				t.Errorf("does not start before %s", server)
			}
		}
	}
	user := strings.Fields(string(read(t, "deploy/systemd/sysusers.conf"))[strings.Index(string(read(t, "deploy/systemd/sysusers.conf")), "\nu ")+1:])
	if user[1] != one(service, "Service", "User") {
		t.Errorf("sysusers.conf makes the user %s", user[1])
	}
}

// A drop-in orders a server that is made elsewhere after the plugin.
func TestRancherServersStartAfterThePlugin(t *testing.T) {
	for distribution, unit := range map[string]string{"rke2": "rke2-server.service", "k3s": "k3s.service"} {
		text := string(read(t, "deploy/"+distribution+"/start-order.conf"))
		if want := "/etc/systemd/system/" + unit + ".d/"; !strings.Contains(text, want) {
			t.Errorf("%s: does not say that it belongs into %s", distribution, want)
		}
		dir := unitDir(t)
		put(t, filepath.Join(dir, unit), "[Service]\nExecStart=/bin/true\n")
		put(t, filepath.Join(dir, unit+".d", "kmsplugin.conf"), text)
		out, err := analyze(t, dir, "verify", "--man=no", unit)
		if own := about(out, "kmsplugin"); err != nil || own != "" {
			t.Errorf("%s: %v\n%s", distribution, err, out)
		}
		drop := settings(t, "deploy/"+distribution+"/start-order.conf")["Unit"]
		for _, name := range []string{"Wants", "After"} {
			if len(drop[name]) != 1 || drop[name][0] != "kmsplugin.socket kmsplugin.service" {
				t.Errorf("%s: %s=%q", distribution, name, drop[name])
			}
		}
	}
}
