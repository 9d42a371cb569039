package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/kmsplugin/doctor"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
)

// listening returns the path of a socket in a directory of its own.
func listening(t *testing.T) string {
	t.Helper()
	dir := testkit.Must(os.MkdirTemp("", "finds"))(t) // a short path, as sockets need
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "kms.sock")
	l := testkit.Must(net.Listen("unix", path))(t)
	t.Cleanup(func() { _ = l.Close() })
	return path
}

// apiServer is a process of that name, for which something is mounted over dir
// first. It does what a container runtime does, as far as paths are concerned.
func apiServer(t *testing.T, dir string, mount ...string) (pid int) {
	t.Helper()
	sleep := testkit.Must(exec.LookPath("sleep"))(t)
	program := filepath.Join(t.TempDir(), "kube-apiserver")
	text := testkit.Must(os.ReadFile(sleep))(t)
	testkit.Check(t, os.WriteFile(program, text, 0o755))
	cmd := exec.Command(program, "3600")
	if mount != nil {
		script := `mount --make-rprivate / && mount "$@" && exec "$0" 3600`
		cmd = exec.Command("sh", append([]string{"-c", script, program}, append(mount, dir)...)...)
		cmd.SysProcAttr = testkit.OwnMounts()
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a process with mounts of its own: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	if err := cluster.Until(t.Context(), func(context.Context) error {
		if all, _ := gatherAPIServers(hostfacts.Proc, dir); !slices.ContainsFunc(all, func(a doctor.APIServer) bool { return a.PID == cmd.Process.Pid }) {
			select {
			case err := <-ended:
				ended <- err
				t.Fatalf("it has ended: %v: %s", err, said.String())
			default:
			}
			return errors.New("it does not run yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestWhatAnAPIServerFindsIsSeenThroughItsOwnRoot(t *testing.T) {
	socket, older := listening(t), listening(t)
	dir := filepath.Dir(socket)
	for name, tc := range map[string]struct {
		mount []string
		want  hostfacts.Seen
	}{
		"the same directory":       {nil, hostfacts.Seen{Exists: true, Same: true}},
		"it is mounted":            {[]string{"--bind", dir}, hostfacts.Seen{Exists: true, Same: true}},
		"it is not mounted":        {[]string{"-t", "tmpfs", "none"}, hostfacts.Seen{}},
		"an older one of its name": {[]string{"--bind", filepath.Dir(older)}, hostfacts.Seen{Exists: true}},
	} {
		t.Run(name, func(t *testing.T) {
			pid := apiServer(t, dir, tc.mount...)
			all, problem := gatherAPIServers("/proc", socket)
			i := slices.IndexFunc(all, func(a doctor.APIServer) bool { return a.PID == pid })
			if problem != "" || i < 0 {
				t.Fatalf("it is not found: %s, %+v", problem, all)
			}
			if all[i].Finds != tc.want || all[i].UID != os.Geteuid() {
				t.Errorf("%+v, want %+v", all[i], tc.want)
			}
		})
	}
}

// A process that hides its root from root itself takes another kernel, so this
// process table is a directory.
func TestARootThatCannotBeReadIsSaidToBe(t *testing.T) {
	proc := t.TempDir()
	socket := listening(t)
	for pid, root := range map[int]string{7: "", 8: proc} {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		testkit.Check(t, os.Mkdir(dir, 0o700))
		testkit.Check(t, os.WriteFile(filepath.Join(dir, "status"), []byte("Name:\tkube-apiserver\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"), 0o600))
		if root != "" {
			testkit.Check(t, os.Symlink(root, filepath.Join(dir, "root")))
		}
	}
	found, problem := gatherAPIServers(proc, socket)
	if problem != "" || len(found) != 2 || !strings.Contains(found[0].Finds.Err, "7/root") || found[1].Finds != (hostfacts.Seen{}) {
		t.Errorf("%s, %+v", problem, found)
	}
}
