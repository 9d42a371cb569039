// Package deploy tests the files that operators are given, in deploy/ and docs/,
// with what will read them: Kubernetes' own types and a real API server, systemd's
// own checker, the parsers of Prometheus, BuildKit and Terraform, and the plugin's
// own flags and metrics. And it tests what a release consists of.
//
// It must never repeat what a file says; it states what must be true of it.
package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

const root = "../.."

// read returns a file of the repository.
func read(t *testing.T, path string) []byte {
	t.Helper()
	text := testkit.Must(os.ReadFile(filepath.Join(root, path)))(t)
	return text
}

// decode reads YAML into a type, and refuses fields that it does not have.
func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var into T
	testkit.Check(t, yaml.UnmarshalStrict(text, &into))
	return into
}

// output runs a program and returns what it prints.
func output(t *testing.T, dir string, args ...string) string {
	t.Helper()
	text, err := execute(t, dir, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, text)
	}
	return text
}

func execute(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// programs builds everything once for all tests of this package.
var programs = sync.OnceValues(func() (components.Binaries, error) {
	return components.Build(context.Background(), os.Stderr,
		components.Etcd, components.KMSPlugin, components.KMSPluginFIPS, components.Vault, components.APIServer, components.Kubeadm)
})

func binaries(t *testing.T) components.Binaries {
	t.Helper()
	found := testkit.Must(programs())(t)
	return found
}

// scratch is a directory for all tests of this package together.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "sealproof-deploy-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// parsers builds the program formats once for all tests of this package.
var parsers = sync.OnceValues(func() (string, error) {
	file := filepath.Join(scratch, "formats")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-C", "formats", "-o", file, ".")
	cmd.Stderr = os.Stderr
	return file, cmd.Run()
})

// parse returns what a format's own parser says of a file of the repository.
func parse[T any](t *testing.T, command string, args ...string) T {
	t.Helper()
	program := testkit.Must(parsers())(t)
	var into T
	testkit.Check(t, json.Unmarshal([]byte(output(t, root, append([]string{program, command}, args...)...)), &into))
	return into
}

// effective returns the configuration that a command line of the plugin leads to,
// with the given file in the place of the one that it names.
func effective(t *testing.T, file string, args []string) map[string]any {
	t.Helper()
	if len(args) == 0 || args[0] != "serve" {
		t.Fatalf("the plugin is called with %q: want serve", args)
	}
	call := []string{binaries(t).Path(components.KMSPlugin), "config", "--config=" + filepath.Join(root, file)}
	rest := strings.Split(strings.ReplaceAll(strings.Join(args[1:], "\n"), "--config\n", "--config="), "\n")
	named := false
	for _, arg := range rest {
		if path, ok := strings.CutPrefix(arg, "--config="); ok {
			named = true
			if path != configFile {
				t.Errorf("the configuration is %s, everywhere else %s", path, configFile)
			}
			continue
		}
		call = append(call, arg)
	}
	if !named {
		t.Error("no configuration file is named")
	}
	return decode[map[string]any](t, []byte(output(t, ".", call...)))
}

const (
	// configFile and socketDir are where everything in deploy/ expects them.
	configFile = "/etc/kmsplugin/config.yaml"
	socketDir  = "/run/kmsplugin"
	socketPath = socketDir + "/sealproof.sock"
	// encryptionFile is where the API server finds its EncryptionConfiguration.
	encryptionFile = "/etc/kubernetes/encryption/config.yaml"
)
