package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/sealproof/sealproof/test/testkit"
)

const root = "../.."

func text(t *testing.T, path string) string {
	t.Helper()
	data := testkit.Must(os.ReadFile(path))(t)
	return string(data)
}

// The image is built elsewhere, in another directory and by another command, and
// holds the very bytes of the release: that is what reproducible means.
func TestTheImageHoldsTheReleasedBinary(t *testing.T) {
	ctx := t.Context()
	here, there := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "some", "where", "else")
	testkit.Check(t, Snapshot(ctx, root, here, "v1.9.7"))
	if err := Snapshot(ctx, here, there, "v1.9.7"); err != nil { // not of root, which may be changing
		t.Fatal(err)
	}
	a := Artifact{Program: "kmsplugin", Arch: "amd64"}
	dist := t.TempDir()
	testkit.Check(t, a.Build(ctx, here, dist))
	image := filepath.Join(dist, "image")
	dockerBuild(ctx, t, there, image)

	info := testkit.Must(buildinfo.ReadFile(filepath.Join(dist, a.Name())))(t)
	if err := checkStamp(filepath.Join(dist, a.Name())); err != nil || info.Main.Version != "v1.9.7" {
		t.Errorf("it calls itself %s: %v", info.Main.Version, err)
	}
	released, built := text(t, filepath.Join(dist, a.Name())), text(t, image)
	if released != built {
		t.Errorf("the two differ: %x, %x", sha256.Sum256([]byte(released)), sha256.Sum256([]byte(built)))
	}
	for _, dir := range []string{here, there} {
		if strings.Contains(released, dir) {
			t.Errorf("the binary contains the path %s", dir)
		}
	}
}

// dockerBuild does in dir what deploy/Dockerfile does in /src: there is no engine
// that could build the image itself.
func dockerBuild(ctx context.Context, t *testing.T, dir, out string) {
	t.Helper()
	var build string
	for line := range strings.Lines(text(t, filepath.Join(root, "deploy/Dockerfile"))) {
		if command, ok := strings.CutPrefix(line, "RUN "); ok && strings.Contains(command, "go build") {
			build += command
		}
	}
	if strings.Count(build, "\n") != 1 || !strings.Contains(build, "-o /out/kmsplugin ") {
		t.Fatalf("the image is built by %q", build)
	}
	build = strings.Replace(build, "/out/kmsplugin", out, 1)
	env := []string{"TARGETOS=linux", "TARGETARCH=amd64", "GOFIPS140=off", "GOFLAGS="}
	if _, err := run(ctx, dir, env, "sh", "-c", build); err != nil {
		t.Fatal(err)
	}
}

func TestNoBinaryOfThePluginLinksAHeavyClient(t *testing.T) {
	for _, a := range Artifacts() {
		if a.Program != "kmsplugin" {
			continue
		}
		out := testkit.Must(run(t.Context(), root, a.Env(), "go", "list", "-deps", "./cmd/"+a.Program))(t)
		linked := strings.Fields(out)
		if len(linked) < 100 {
			t.Fatalf("%s: go list names %d packages", a.Name(), len(linked))
		}
		for _, pkg := range linked {
			for _, banned := range []string{"k8s.io/client-go", "k8s.io/apimachinery", "k8s.io/apiserver", "go.etcd.io/", "testing", "github.com/hashicorp/vault/sdk", "github.com/sealproof/sealproof/test"} {
				if pkg == banned || strings.HasPrefix(pkg, strings.TrimSuffix(banned, "/")+"/") {
					t.Errorf("%s links %s", a.Name(), pkg)
				}
			}
		}
	}
}

// The list is made from what the linker recorded, the test asks the go command.
func TestTheSBOMListsEveryModuleThatIsLinked(t *testing.T) {
	ctx := t.Context()
	a := Artifact{Program: "kmsplugin", Arch: "amd64"}
	dir := t.TempDir()
	testkit.Check(t, a.Build(ctx, root, dir))
	binary, file := filepath.Join(dir, a.Name()), filepath.Join(dir, "list")
	for range 2 {
		testkit.Check(t, WriteSBOM(binary, file))
	}
	list := text(t, file)
	var b cdx.BOM
	testkit.Check(t, cdx.NewBOMDecoder(strings.NewReader(list), cdx.BOMFileFormatJSON).Decode(&b))
	out := testkit.Must(run(ctx, root, a.Env(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}pkg:golang/{{.Path}}@{{.Version}}{{end}}{{end}}", "./cmd/kmsplugin"))(t)
	want := append(strings.Fields(out), "pkg:golang/std@"+strings.TrimPrefix(runtime.Version(), "go"))
	slices.Sort(want)
	want = slices.Compact(want)
	var got []string
	for _, c := range *b.Components {
		got = append(got, c.PackageURL)
	}
	slices.Sort(got)
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("lists %d modules, want %d:\n%q\n%q", len(got), len(want), got, want)
	}
	if name := b.Metadata.Component.Name; name != "github.com/sealproof/sealproof/cmd/kmsplugin" {
		t.Errorf("it is a list of %s", name)
	}
	again := filepath.Join(dir, "again")
	testkit.Check(t, WriteSBOM(binary, again))
	if text(t, again) != list {
		t.Error("the same binary gives two lists")
	}
	if !json.Valid([]byte(list)) {
		t.Error("it is not JSON")
	}
}

// documented returns the commands of docs/release.md between two marks.
func documented(t *testing.T, name string) string {
	t.Helper()
	doc := text(t, filepath.Join(root, "docs/release.md"))
	_, rest, ok := strings.Cut(doc, "<!-- "+name+" -->\n")
	block, _, closed := strings.Cut(rest, "<!-- end of "+name+" -->")
	if !ok || !closed {
		t.Fatalf("docs/release.md has no commands called %s", name)
	}
	var commands strings.Builder
	for line := range strings.Lines(block) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			commands.WriteString(command)
		}
	}
	if commands.Len() == 0 {
		t.Fatalf("%s is empty", name)
	}
	return commands.String()
}

func TestTheDocumentedCommandsVerifyAReleaseAndFindAForgedOne(t *testing.T) {
	ctx := t.Context()
	newKey := func() (file, public string) {
		file = filepath.Join(t.TempDir(), "key")
		if _, err := run(ctx, ".", nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file); err != nil {
			t.Fatalf("%v\n(ssh-keygen is in Debian's package openssh-client)", err)
		}
		return file, text(t, file+".pub")
	}
	key, public := newKey()
	other, _ := newKey()
	const name = "kmsplugin-linux-amd64"
	release := func(t *testing.T, signer string) string {
		dir := t.TempDir()
		for file, content := range map[string]string{name: "a binary", "etcdaudit-linux-amd64": "another", "allowed_signers": "release@sealproof " + public} {
			testkit.Check(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644))
		}
		testkit.Check(t, WriteSums(dir, []string{name, "etcdaudit-linux-amd64"}))
		for range 2 { // a release that is made again is signed again
			testkit.Check(t, Sign(ctx, dir, signer))
		}
		return dir
	}
	change := func(file string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, file)
			testkit.Check(t, os.WriteFile(path, []byte(strings.Replace(text(t, path), "a", "b", 1)), 0o644))
		}
	}
	for _, tc := range []struct {
		name   string
		signer string
		forge  func(t *testing.T, dir string)
		good   bool
	}{
		{name: "a release", signer: key, forge: func(*testing.T, string) {}, good: true},
		{name: "one file of a release", signer: key, good: true, forge: func(t *testing.T, dir string) {
			testkit.Check(t, os.Remove(filepath.Join(dir, "etcdaudit-linux-amd64")))
		}},
		{name: "a changed binary", signer: key, forge: change(name)},
		{name: "changed checksums", signer: key, forge: change(SumsFile)},
		{name: "a binary and checksums that fit it", signer: key, forge: func(t *testing.T, dir string) {
			change(name)(t, dir)
			testkit.Check(t, WriteSums(dir, []string{name}))
		}},
		{name: "another key's signature", signer: other, forge: func(*testing.T, string) {}},
		{name: "a signature of something else", signer: key, forge: func(t *testing.T, dir string) {
			sums := filepath.Join(dir, SumsFile)
			testkit.Check(t, os.Remove(sums+".sig"))
			if _, err := run(ctx, ".", nil, "ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", "git", sums); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "no signature", signer: key, forge: func(t *testing.T, dir string) {
			testkit.Check(t, os.Remove(filepath.Join(dir, SumsFile+".sig")))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := release(t, tc.signer)
			tc.forge(t, dir)
			out, err := run(ctx, dir, nil, "sh", "-ec", documented(t, "verify"))
			if (err == nil) != tc.good {
				t.Errorf("accepted: %v, want %v: %v %s", err == nil, tc.good, err, out)
			}
		})
	}
}

func TestASnapshotIsTheSameCommitWhereverItIsMade(t *testing.T) {
	source := t.TempDir()
	for name, mode := range map[string]os.FileMode{"main.go": 0o644, "script": 0o755} {
		testkit.Check(t, os.WriteFile(filepath.Join(source, name), []byte(name), mode))
	}
	if _, err := run(t.Context(), source, nil, "git", "init", "-q"); err != nil {
		t.Fatal(err)
	}
	var commits [][]byte
	for range 2 {
		dir := filepath.Join(t.TempDir(), "copy")
		testkit.Check(t, Snapshot(t.Context(), source, dir, "v1.0.0"))
		commit := testkit.Must(run(t.Context(), dir, nil, "git", "rev-parse", "HEAD"))(t)
		commits = append(commits, []byte(commit))
	}
	if !bytes.Equal(commits[0], commits[1]) || len(commits[0]) < 40 {
		t.Errorf("the commits are %q", commits)
	}
}
