package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/kmsplugin/doctor"
	"github.com/sealproof/sealproof/kmsplugin/process"
)

// gatherAPIServers finds every kube-apiserver under proc (proc(5)), and what each
// finds at the socket's path. One that ends meanwhile is left out.
func gatherAPIServers(proc, socket string) (found []doctor.APIServer, problem string) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err.Error()
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, e.Name())
		status := statusOfAPIServer(dir)
		if status == "" {
			continue
		}
		finds := gatherFinds(filepath.Join(dir, "root"), socket)
		if finds.Err != "" && statusOfAPIServer(dir) == "" {
			continue
		}
		found = append(found, doctor.APIServer{PID: pid, Rights: process.ParseRights(status), Finds: finds})
	}
	return found, ""
}

// statusOfAPIServer returns the text of a process's status; none if the process has
// ended, or is no kube-apiserver.
func statusOfAPIServer(dir string) string {
	status, err := os.ReadFile(filepath.Join(dir, "status")) //nolint:gosec // in /proc, another directory in tests
	if err != nil {
		return ""
	}
	if first, _, _ := strings.Cut(string(status), "\n"); strings.Join(strings.Fields(first), " ") != "Name: kube-apiserver" {
		return ""
	}
	return string(status)
}

// gatherFinds looks at a path as a process sees it whose root is given.
func gatherFinds(root, path string) doctor.Finds {
	theirs, err := statIn(root, path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return doctor.Finds{}
	case err != nil:
		return doctor.Finds{Err: err.Error()}
	}
	var ours unix.Stat_t
	if err := unix.Stat(path, &ours); err != nil {
		return doctor.Finds{Err: fmt.Sprintf("look at %s: %v", path, err)}
	}
	return doctor.Finds{Exists: true, Same: theirs.Dev == ours.Dev && theirs.Ino == ours.Ino}
}

// statIn looks at a path below a root. Links on the way, such as /var/run, lead
// where they lead for a process with that root.
func statIn(root, path string) (st unix.Stat_t, err error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		// That there is no such root says nothing of what lies below it.
		return st, fmt.Errorf("open %s: %v", root, err) //nolint:errorlint // see above
	}
	defer func() { _ = unix.Close(dir) }()
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return st, fmt.Errorf("look at %s below %s: %w", path, root, err)
	}
	defer func() { _ = unix.Close(fd) }()
	err = unix.Fstat(fd, &st)
	return st, err
}
