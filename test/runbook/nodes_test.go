package runbook_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/runbook"
	"github.com/sealproof/sealproof/test/testkit"
)

// functions are what a runbook of three members defines, without the calls.
func functions(t *testing.T) string {
	t.Helper()
	f := runbook.Found{Plaintext: runbook.Plaintext{Log: 1}, Cluster: record.Cluster{Version: "3.7.0", Index: 30_000}}
	for i := range 3 {
		f.Cluster.Members = append(f.Cluster.Members, record.Member{
			Name: fmt.Sprintf("cp-%d", i), PeerURLs: []string{fmt.Sprintf("https://127.0.0.%d:2380", i+2)}, ClientURLs: []string{fmt.Sprintf("https://127.0.0.%d:2379", i+2)},
		})
	}
	var text strings.Builder
	for _, step := range runbook.Steps(f) {
		if step.Title != "Say how members are stopped and started" && step.Title != byReplacing && step.Title != orByAgeing {
			continue
		}
		for _, line := range step.Commands {
			if !strings.HasPrefix(line, "replace cp-") && !strings.HasPrefix(line, "on 127.") {
				text.WriteString(line + "\n")
			}
		}
	}
	return text.String()
}

// onNode runs a script with the functions on nodes below root. Programs of nodes answer as handle does.
func onNode(t *testing.T, root, script string, handle func(string) answer) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", functions(t)+script)
	cmd.Env = []string{"PATH=" + standIns(t, root, func(c call) answer { return handle(strings.Join(c.Args, " ")) }) + ":/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestArgumentsReachANodeAsTheyAre(t *testing.T) {
	nothing := func(string) answer { return answer{} }
	for _, node := range []string{"127.0.0.1", "127.0.0.2"} {
		out, err := onNode(t, t.TempDir(), `on `+node+` 'printf "<%s>" "$@"' 'a  b' '' '$HOME' --x=y`, nothing)
		if err != nil || out != "<a  b><><$HOME><--x=y>" {
			t.Errorf("%s: %s, %v", node, out, err)
		}
	}
	// What fails there ends the runbook.
	for _, node := range []string{"127.0.0.1", "127.0.0.2"} {
		if out, err := onNode(t, t.TempDir(), `on `+node+` 'false; true'; echo on`, nothing); err == nil || out != "" {
			t.Errorf("%s: %s, %v", node, out, err)
		}
	}
}

const unitOfEtcd = "[Service]\nExecStart=/usr/bin/etcd --name=a\n"

// This test itself is the etcd that runs: what counts is which file it has open.
func TestANodeThatIsSetUpInAnotherWayIsLeftAlone(t *testing.T) {
	manifest := func(data string) string { return "    - etcd\n    - --data-dir=" + data + "\n" }
	for name, tc := range map[string]struct {
		unit, manifest, mainPID string
		open                    string // its database, below the node's root
		says                    string
	}{
		"no unit and no static pod": {open: "var/lib/etcd", says: "how etcd is stopped"},
		"settings in a file":        {unit: "[Service]\nExecStart=/usr/bin/etcd --config-file=/etc/etcd.yaml\n", open: "var/lib/etcd", says: "reads a file"},
		"that file in a variable":   {unit: "[Service]\nEnvironment=ETCD_CONFIG_FILE=/etc/etcd.yaml\nExecStart=/usr/bin/etcd\n", open: "var/lib/etcd", says: "reads a file"},
		"a shell that starts etcd":  {unit: "[Service]\nExecStart=/bin/sh -c 'exec etcd --name=a'\n", open: "var/lib/etcd", says: "that /bin/sh starts"},
		"a line with quotes":        {unit: "[Service]\nExecStart=/usr/bin/etcd --name=a \\\n  \"--listen-metrics-urls=a b\"\n", open: "var/lib/etcd", says: "has quotes"},
		"a line with single quotes": {unit: "[Service]\nExecStart = /usr/bin/etcd '--name=a'\n", open: "var/lib/etcd", says: "has quotes"},
		"a unit of other data":      {unit: unitOfEtcd, open: "backup/copy", says: "no etcd of this node has"},
		"the data of another etcd":  {unit: unitOfEtcd, mainPID: "1", open: "var/lib/etcd", says: "not that of the unit"},
		"a pod that does not run":   {manifest: manifest("ROOT/var/lib/etcd"), open: "backup/copy", says: "no etcd of this node has"},
		"a pod of other data":       {manifest: manifest("ROOT/var/lib/etcd2"), open: "var/lib/etcd", says: "elsewhere"},
	} {
		root := t.TempDir()
		node := filepath.Join(root, "127.0.0.2")
		write(t, filepath.Join(node, "var/lib/etcd/member/snap/db"), "")
		write(t, filepath.Join(node, tc.open, "member/snap/db"), "")
		held := testkit.Must(os.Open(filepath.Join(node, tc.open, "member/snap/db")))(t)
		file := filepath.Join(node, "etc/kubernetes/manifests/etcd.yaml")
		if tc.manifest != "" {
			write(t, file, strings.Replace(tc.manifest, "ROOT", node, 1))
		}
		out, err := onNode(t, root, "stop_etcd 127.0.0.2; echo on", func(command string) answer {
			switch command {
			case "pgrep -x etcd":
				return answer{Out: fmt.Sprintln(os.Getpid())}
			case "systemctl cat etcd":
				if tc.unit == "" {
					return answer{Code: 1}
				}
				return answer{Out: tc.unit}
			case "systemctl show --property=ExecStart etcd":
				_, line, _ := strings.Cut(tc.unit, "ExecStart")
				line = strings.NewReplacer("'", "", `"`, "", "\\\n", "", "\n", "").Replace(strings.TrimLeft(line, " ="))
				return answer{Out: "ExecStart={ path=/x ; argv[]=" + line + " ; ignore_errors=no ; start_time=[n/a] }\n"}
			case "systemctl show --property=MainPID etcd":
				return answer{Out: "MainPID=" + cmp.Or(tc.mainPID, fmt.Sprint(os.Getpid())) + "\n"}
			}
			t.Errorf("%s: %s", name, command)
			return answer{Code: 1}
		})
		if err == nil || !strings.HasPrefix(out, "FILL IN: ") || !strings.Contains(out, tc.says) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if _, err := os.Stat(file); (err == nil) != (tc.manifest != "") {
			t.Errorf("%s: the manifest: %v", name, err)
		}
		testkit.Check(t, held.Close())
	}
}

// The manifest that an earlier run has put aside may be all that is left of it.
func TestNothingBeginsWhereAnEarlierRunEndedInTheMiddle(t *testing.T) {
	for _, command := range []string{"age 127.0.0.2", "replace cp-0"} {
		root := t.TempDir()
		write(t, filepath.Join(root, "127.0.0.2/etc/kubernetes/etcd.yaml.runbook"), "older")
		write(t, filepath.Join(root, "127.0.0.2/var/lib/etcd/member/wal/1.wal"), "")
		out, err := onNode(t, root, standInEtcdctl+command, func(command string) answer {
			t.Errorf("%s is called", command)
			return answer{Code: 1}
		})
		if err == nil || !strings.Contains(out, "is left of an earlier run") || strings.Contains(out, "leader is moved") {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}

// standInEtcdctl answers as an etcd of three members that always serves.
const standInEtcdctl = `
settle() { :; }
sleep() { :; }
etcdctl() {
  case $* in
  "member list"*) for i in 0 1 2; do echo "$i$i, started, cp-$i, https://127.0.0.$((i+2)):2380, https://127.0.0.$((i+2)):2379, false"; done ;;
  "move-leader"*) echo "leader is moved" ;;
  "endpoint status"*) test "$ETCDCTL_ENDPOINTS" = https://127.0.0.2:2379 && test "${stopped:-}" != yes ;;
  esac
}
`

func TestDataIsMovedOnlyWhereItsMemberIsStopped(t *testing.T) {
	for _, stopped := range []string{"yes", "no"} {
		root := t.TempDir()
		data := filepath.Join(root, "127.0.0.2/var/lib/etcd")
		write(t, filepath.Join(data, "member/wal/1.wal"), "")
		// The test ends with the move: that of other members is in carryOut.
		out, err := onNode(t, root, standInEtcdctl+"stop_etcd() { stopped="+stopped+"; }\nattempt() { exit 9; }\nreplace cp-0", func(string) answer { return answer{Code: 1} })
		_, moved := os.Stat(filepath.Join(data, "member.replaced"))
		if err == nil || (moved == nil) != (stopped == "yes") || strings.Contains(out, "still answers") != (stopped == "no") {
			t.Errorf("stopped %s: %v, %v\n%s", stopped, err, moved, out)
		}
	}
}

// Where nothing is looked at, nothing is shown to be removed.
func TestALogThatIsNotThereIsNotAged(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "127.0.0.2/var/lib/etcd/member/wal/0.tmp"), "")
	for _, wal := range []string{"/var/lib/etcd/member/wal", "/var/lib/etcd/elsewhere"} {
		out, err := onNode(t, root, standInEtcdctl+"stop_etcd() { echo stopped; exit 9; }\nwal="+wal+"\nage 127.0.0.2", func(string) answer { return answer{Code: 1} })
		if err == nil || !strings.Contains(out, "no segment of a log is in ") || strings.Contains(out, "stopped") {
			t.Errorf("%s: %v\n%s", wal, err, out)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	testkit.Check(t, os.MkdirAll(filepath.Dir(name), 0o700))
	testkit.Check(t, os.WriteFile(name, []byte(text), 0o600))
}

// A node can have another etcd, which runs on: it is this test.
func TestStoppingWaitsForTheEtcdOfTheDataAlone(t *testing.T) {
	root := t.TempDir()
	node := filepath.Join(root, "127.0.0.2")
	db, manifest := filepath.Join(node, "var/lib/etcd/member/snap/db"), filepath.Join(node, "etc/kubernetes/manifests/etcd.yaml")
	write(t, db, "")
	write(t, manifest, "    - etcd\n    - --data-dir="+node+"/var/lib/etcd\n")
	held := testkit.Must(os.Open(db))(t)
	out, err := onNode(t, root, "stop_etcd 127.0.0.2", func(command string) answer {
		if command != "pgrep -x etcd" {
			return answer{Code: 1}
		}
		if _, err := os.Stat(manifest); err != nil {
			_ = held.Close() // as kubelet would stop the pod
		}
		return answer{Out: fmt.Sprintln(os.Getpid())}
	})
	if err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(node, "etc/kubernetes/etcd.yaml.runbook")); err != nil {
		t.Error(err)
	}
}
