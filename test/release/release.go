// Package release makes the files of a release: static binaries, the list of what each
// contains, their checksums, and the signature of these.
//
// Everything but the signature depends only on the commit and the Go version, so that
// a release can be made again and compared. The package must never know what the
// programs do, nor read a private key: ssh-keygen signs.
package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/test/components"
)

// Artifact is one binary of a release.
type Artifact struct {
	Program string // package below cmd
	Arch    string // GOARCH; the system is always Linux
	FIPS    bool   // with Go's FIPS 140-3 module
}

// Artifacts returns every binary of a release.
func Artifacts() []Artifact {
	var all []Artifact
	for _, arch := range []string{"amd64", "arm64"} {
		all = append(all,
			Artifact{Program: "kmsplugin", Arch: arch},
			Artifact{Program: "kmsplugin", Arch: arch, FIPS: true},
			Artifact{Program: "etcdaudit", Arch: arch},
		)
	}
	return all
}

// Name is the artifact's file name, such as kmsplugin-fips-linux-amd64.
func (a Artifact) Name() string {
	name := a.Program
	if a.FIPS {
		name += "-fips"
	}
	return name + "-linux-" + a.Arch
}

// Env is the environment of the compiler. No setting of the user's environment
// affects the result.
func (a Artifact) Env() []string {
	fips := "off"
	if a.FIPS {
		fips = components.FIPSModule
	}
	return []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + a.Arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=" + fips,
		"GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=", "GODEBUG=",
	}
}

// Flags are those of go build. The commit is stamped into the binary, the
// directory is not.
func Flags() []string { return []string{"-trimpath", "-buildvcs=auto", "-ldflags=-s -w"} }

// Build compiles an artifact of the sources in root into the directory dir. env is
// added to the artifact's own, such as another GOCACHE.
func (a Artifact) Build(ctx context.Context, root, dir string, env ...string) error {
	file, err := filepath.Abs(filepath.Join(dir, a.Name()))
	if err != nil {
		return err
	}
	args := append(append([]string{"build"}, Flags()...), "-o", file, "./cmd/"+a.Program)
	if _, err := run(ctx, root, append(a.Env(), env...), "go", args...); err != nil {
		return fmt.Errorf("build %s: %w", a.Name(), err)
	}
	return nil
}

// Make makes a release of the sources in root in the directory dir, unsigned:
// binaries, a list of contents beside each, and SHA256SUMS. env is added to the
// compiler's environment.
func Make(ctx context.Context, root, dir string, env ...string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the directory of the release: %w", err)
	}
	var names []string
	for _, a := range Artifacts() {
		if err := a.Build(ctx, root, dir, env...); err != nil {
			return err
		}
		if err := checkStamp(filepath.Join(dir, a.Name())); err != nil {
			return err
		}
		list := a.Name() + ".cdx.json"
		if err := WriteSBOM(filepath.Join(dir, a.Name()), filepath.Join(dir, list)); err != nil {
			return err
		}
		names = append(names, a.Name(), list)
	}
	return WriteSums(dir, names)
}

// checkStamp refuses a binary that does not say which commit it was made from. The
// go command leaves that out without a word where .git is a file: in a worktree of
// Git's, or a submodule.
func checkStamp(binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read which commit %s is of: %w", binary, err)
	}
	stamp := map[string]string{}
	for _, s := range info.Settings {
		stamp[s.Key] = s.Value
	}
	if stamp["vcs.revision"] == "" || stamp["vcs.modified"] != "false" {
		return fmt.Errorf("%s does not name the commit that it is of (vcs.revision=%q, vcs.modified=%q): make releases in a clone with nothing uncommitted, not in a worktree",
			binary, stamp["vcs.revision"], stamp["vcs.modified"])
	}
	return nil
}

// SumsFile lists the checksums of a release, in the format of sha256sum.
const SumsFile = "SHA256SUMS"

// WriteSums writes SumsFile for the named files of dir.
func WriteSums(dir string, names []string) error {
	var sums bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // what was just made
		if err != nil {
			return fmt.Errorf("add up %s: %w", name, err)
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	if err := os.WriteFile(filepath.Join(dir, SumsFile), sums.Bytes(), 0o644); err != nil { //nolint:gosec // to be published
		return fmt.Errorf("write the checksums: %w", err)
	}
	return nil
}

// Namespace keeps a signature of a release from being one of anything else
// (ssh-keygen(1), -n).
const Namespace = "sealproof-release"

// Sign signs SumsFile in dir into SHA256SUMS.sig. key is the file of an SSH key:
// a private one, or a public one whose private half an agent or a hardware token
// holds.
func Sign(ctx context.Context, dir, key string) error {
	sums := filepath.Join(dir, SumsFile)
	// ssh-keygen asks before it overwrites.
	if err := os.Remove(sums + ".sig"); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove the former signature: %w", err)
	}
	if _, err := run(ctx, ".", nil, "ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", Namespace, sums); err != nil {
		return fmt.Errorf("sign %s with %s: %w", sums, key, err)
	}
	return nil
}

// Snapshot copies the sources in root to dir, as a Git repository with one commit
// and the tag version. The commit's name depends on the sources alone.
func Snapshot(ctx context.Context, root, dir, version string) error {
	list, err := run(ctx, root, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return fmt.Errorf("list the sources: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	env := []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null"}
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		env = append(env, "GIT_"+who+"_NAME=snapshot", "GIT_"+who+"_EMAIL=snapshot@invalid", "GIT_"+who+"_DATE=2000-01-01T00:00:00Z")
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A", "-f"}, {"commit", "-q", "-m", "Snapshot"}, {"tag", version}} {
		if _, err := run(ctx, dir, env, "git", args...); err != nil {
			return fmt.Errorf("make a repository of the copy: %w", err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if os.IsNotExist(err) {
		return nil // removed, and the removal not committed
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from) //nolint:gosec // the sources
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm()) //nolint:gosec // below the directory that the caller named
}

// run runs a program and returns its output; what it says otherwise is in the error.
func run(ctx context.Context, dir string, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs are named above
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", program, err, stderr.String())
	}
	return stdout.String(), nil
}
