package runbook_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// node is a machine with one member of etcd: its address, its directories, and what starts
// etcd there. That is systemd's unit, or kubeadm's static pod where manifest is set.
type node struct {
	t       *testing.T
	c       *cluster.Cluster
	etcd    components.Name
	address string
	root    string
	// unit is the unit's command line, and env its variables.
	unit, env []string
	manifest  bool

	mu      sync.Mutex
	added   string // the drop-in that systemd has loaded
	process *cluster.Process
	starts  int
}

func (n *node) dataDir() string { return filepath.Join(n.root, "var/lib/etcd") }
func (n *node) manifestFile() string {
	return filepath.Join(n.root, "etc/kubernetes/manifests/etcd.yaml")
}
func (n *node) dropIn() string {
	return filepath.Join(n.root, "run/systemd/system/etcd.service.d/runbook.conf")
}

// start starts etcd with these flags and variables.
func (n *node) start(flags, env []string) error {
	p, err := n.c.StartProgram(n.t.Context(), cluster.ProgramOptions{
		Name: fmt.Sprintf("etcd-%s-%d", n.address, n.starts), Program: n.etcd, Args: flags, Env: env,
		Ready: func(context.Context, *cluster.Process) error { return nil },
	})
	n.process = p
	n.starts++
	return err
}

func (n *node) stop() error {
	if n.process == nil || !n.process.Running() {
		return nil
	}
	return n.process.Stop(n.t.Context())
}

// call answers a stand-in.
func (n *node) call(args []string) answer {
	n.mu.Lock()
	defer n.mu.Unlock()
	done := func(err error) answer {
		if err != nil {
			n.t.Errorf("%s: %q: %v", n.address, args, err)
			return answer{Code: 1}
		}
		return answer{}
	}
	switch command := strings.Join(args, " "); command {
	case "pgrep -x etcd":
		if n.process.Running() {
			return answer{Out: fmt.Sprintln(n.process.PID())}
		}
		return answer{Code: 1}
	case "systemctl daemon-reload":
		added, _ := os.ReadFile(n.dropIn())
		n.added = string(added)
		return answer{}
	case "systemctl cat etcd":
		if n.manifest {
			return answer{Code: 1}
		}
		return answer{Out: fmt.Sprintf("# /etc/systemd/system/etcd.service\n[Service]\nType=notify\nEnvironment=%s\nExecStart=%s\n%s", strings.Join(n.env, " "), strings.Join(n.unit, " "), n.added)}
	case "systemctl show --property=ExecStart etcd":
		return answer{Out: fmt.Sprintf("ExecStart={ path=%s ; argv[]=%s ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }\n", n.unit[0], strings.Join(n.unit, " "))}
	case "systemctl show --property=MainPID etcd":
		return answer{Out: fmt.Sprintf("MainPID=%d\n", n.process.PID())}
	case "systemctl stop etcd":
		return done(n.stop())
	case "systemctl start --no-block etcd":
		line, env := n.effective()
		return done(n.start(line[1:], env))
	}
	return done(fmt.Errorf("no such command"))
}

// effective is what the unit starts, with the drop-in.
func (n *node) effective() (line, env []string) {
	line, env = n.unit, slices.Clone(n.env)
	for text := range strings.Lines(n.added) {
		name, value, _ := strings.Cut(strings.TrimSpace(text), "=")
		switch {
		case name == "ExecStart" && value != "":
			line = strings.Fields(value)
		case name == "UnsetEnvironment":
			env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, value+"=") })
		}
	}
	return line, env
}

var flagOfManifest = regexp.MustCompile(`(?m)^    - (--.*)\n`)

// writeManifest makes kubeadm's manifest with the flags of this node.
func (n *node) writeManifest() {
	text := string(testkit.Must(os.ReadFile("../../etcdaudit/hostconfig/testdata/kubeadm/etc/kubernetes/manifests/etcd.yaml"))(n.t))
	text = flagOfManifest.ReplaceAllString(text, "")
	text = strings.Replace(text, "    - etcd\n", "    - etcd\n    - "+strings.Join(n.unit[1:], "\n    - ")+"\n", 1)
	testkit.Check(n.t, os.MkdirAll(filepath.Dir(n.manifestFile()), 0o700))
	testkit.Check(n.t, os.WriteFile(n.manifestFile(), []byte(text), 0o600))
}

// kubelet starts and stops etcd as the manifest comes, changes and goes.
func (n *node) kubelet(ctx context.Context) {
	was := ""
	for ctx.Err() == nil {
		now, _ := os.ReadFile(n.manifestFile())
		if string(now) != was {
			n.mu.Lock()
			err := n.stop()
			if was = string(now); err == nil && was != "" {
				var flags []string
				for _, flag := range flagOfManifest.FindAllStringSubmatch(was, -1) {
					flags = append(flags, flag[1])
				}
				err = n.start(flags, nil)
			}
			n.mu.Unlock()
			if err != nil && ctx.Err() == nil {
				n.t.Errorf("kubelet of %s: %v", n.address, err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}
