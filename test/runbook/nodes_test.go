package runbook_test

import (
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/runbook"
)

// functions are what a runbook prints before it stops and starts members.
func functions(t *testing.T) string {
	t.Helper()
	for _, step := range runbook.Steps(runbook.Found{Plaintext: runbook.Plaintext{Log: 1}}) {
		if step.Title == "Say how members are stopped and started" {
			return strings.Join(step.Commands, "\n") + "\n"
		}
	}
	t.Fatal("there is no such step")
	return ""
}

// onNode runs a script with the functions. Programs of nodes answer as handle does.
func onNode(t *testing.T, script string, handle func(call) answer) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", functions(t)+script)
	cmd.Env = []string{"PATH=" + standIns(t, t.TempDir(), handle) + ":/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestArgumentsReachANodeAsTheyAre(t *testing.T) {
	for _, node := range []string{"127.0.0.1", "127.0.0.2"} {
		out, err := onNode(t, `on `+node+` 'printf "<%s>" "$@"' 'a  b' '' '$HOME' --x=y`, func(call) answer { return answer{} })
		if err != nil || out != "<a  b><><$HOME><--x=y>" {
			t.Errorf("%s: %s, %v", node, out, err)
		}
	}
	// What fails there ends the runbook.
	for _, node := range []string{"127.0.0.1", "127.0.0.2"} {
		if out, err := onNode(t, `on `+node+` 'false; true'; echo on`, func(call) answer { return answer{} }); err == nil || out != "" {
			t.Errorf("%s: %s, %v", node, out, err)
		}
	}
}

func TestANodeThatIsSetUpInAnotherWayIsLeftAlone(t *testing.T) {
	for name, unit := range map[string]answer{
		"no unit and no static pod": {Code: 1},
		"settings in a file":        {Out: "[Service]\nExecStart=/usr/bin/etcd --config-file=/etc/etcd.yaml\n"},
		"that file in a variable":   {Out: "[Service]\nEnvironment=ETCD_CONFIG_FILE=/etc/etcd.yaml\nExecStart=/usr/bin/etcd\n"},
	} {
		var mu sync.Mutex
		var calls []string
		out, err := onNode(t, "stop_etcd 127.0.0.2; echo on", func(c call) answer {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, strings.Join(c.Args, " "))
			return unit
		})
		if err == nil || !strings.HasPrefix(out, "FILL IN: ") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if slices.ContainsFunc(calls, func(c string) bool { return c != "systemctl cat etcd" }) {
			t.Errorf("%s: %q", name, calls)
		}
	}
}
