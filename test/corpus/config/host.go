package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

// write makes the tree. Files under /pki/ are those of the shared PKI: a case names them with
// "pki:NAME" as their content.
func (h HostInput) write(root, pki string) error {
	tree := map[string][]byte{"etc/hostname": []byte("node\n")}
	for path, text := range h.Files {
		if name, ok := strings.CutPrefix(text, "pki:"); ok {
			data, err := os.ReadFile(filepath.Join(pki, name)) //nolint:gosec // of this package
			if err != nil {
				return err
			}
			tree[path] = data
			continue
		}
		tree[path] = []byte(text)
	}
	for i, p := range h.Processes {
		dir := fmt.Sprintf("proc/%d/", firstPID+i)
		tree[dir+"cmdline"] = []byte(strings.Join(append([]string{p.Exe}, words(p.Args)...), "\x00") + "\x00")
		var env []string
		for name, value := range p.Env {
			env = append(env, name+"="+value+"\x00")
		}
		name := filepath.Base(p.Exe)
		tree[dir+"environ"] = []byte(strings.Join(env, ""))
		tree[dir+"comm"] = []byte(name + "\n")
		tree[dir+"status"] = fmt.Appendf(nil, "Name:\t%s\nPid:\t%d\nUid:\t%d\t%d\t%d\t%d\nGid:\t%d\t%d\t%d\t%d\n", name, firstPID+i, p.UID, p.UID, p.UID, p.UID, p.GID, p.GID, p.GID, p.GID)
		tree[dir+"stat"] = fmt.Appendf(nil, "%d (%s) S 1 %d %d 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 8 0 1000 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", firstPID+i, name, firstPID+i, firstPID+i)
	}
	if err := writeFiles(root, tree); err != nil {
		return err
	}
	for i, p := range h.Processes {
		if err := os.Symlink(p.Exe, filepath.Join(root, fmt.Sprintf("proc/%d/exe", firstPID+i))); err != nil {
			return err
		}
	}
	for path, o := range h.Owners {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			if err := os.MkdirAll(filepath.Join(root, path), 0o700); err != nil {
				return err
			}
		}
		if err := o.give(filepath.Join(root, path)); err != nil {
			return err
		}
	}
	for path, o := range h.Sockets {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		// Not by listening: the path of a tree may be longer than an address can be.
		if err := syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0); err != nil {
			return err
		}
		if err := o.give(path); err != nil {
			return err
		}
	}
	return nil
}

func (o Owner) give(path string) error {
	return errors.Join(os.Chmod(path, os.FileMode(o.Mode)), os.Chown(path, o.UID, o.GID))
}

// firstPID is the number of the first process of a tree.
const firstPID = 1000

// version gives the processes the releases of their programs.
func (h HostInput) version(host *facts.Host) {
	give := func(p *facts.Process) {
		if p != nil {
			p.Version = h.Processes[p.PID-firstPID].Version
		}
	}
	for _, e := range host.Etcds {
		give(e.Process)
	}
	for _, a := range host.APIServers {
		give(a.Process)
	}
}

// flags is what a plain flag check says of the tree: of the first process or manifest of each
// program, as text.
func (h HostInput) flags() map[string]check.Status {
	all := map[string]check.Status{}
	add := func(more map[string]check.Status) {
		for id, s := range more {
			all[id] = s
		}
	}
	for _, p := range h.Processes {
		if filepath.Base(p.Exe) == "etcd" {
			add(etcdFlags(words(p.Args), nil, ""))
		} else {
			add(apiServerFlags(words(p.Args), ""))
		}
	}
	for path, text := range h.Files {
		var args []string
		for _, w := range words(text) {
			args = append(args, strings.Trim(w, `"',`))
		}
		switch {
		case strings.HasSuffix(path, "etcd.yaml"):
			add(etcdFlags(args, nil, ""))
		case strings.HasSuffix(path, "kube-apiserver.yaml"):
			add(apiServerFlags(args, h.Files["/etc/kubernetes/enc.yaml"]))
		case strings.HasSuffix(path, "etcd/config"):
			add(etcdFlags(nil, nil, text))
		}
	}
	return all
}
