package runbook_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/runbook"
)

const (
	reach, rewrite, compact, defragment = "Let etcdctl reach every member", "Rewrite live values", "Compact the history", "Defragment every member, one after the other"
	clearLog, remove, credentials, show = "Clear the write-ahead log of every member", "Remove the copies, and take new ones", "Change the credentials", "Show that nothing is left"
)

func TestStepsAreThoseFromTheFirstLayerOn(t *testing.T) {
	for name, tc := range map[string]struct {
		found runbook.Found
		want  []string
	}{
		"nothing":                 {runbook.Found{}, nil},
		"live values":             {runbook.Found{Live: 1}, []string{reach, rewrite, compact, defragment, clearLog, credentials, show}},
		"history":                 {runbook.Found{History: 1}, []string{reach, compact, defragment, clearLog, credentials, show}},
		"free pages":              {runbook.Found{Free: 1}, []string{reach, defragment, clearLog, credentials, show}},
		"pieces":                  {runbook.Found{Pieces: 1}, []string{reach, defragment, clearLog, credentials, show}},
		"the log alone":           {runbook.Found{Log: 1}, []string{reach, clearLog, credentials, show}},
		"copies alone":            {runbook.Found{Copies: []string{"/b/x.db"}}, []string{remove, credentials}},
		"free pages and a copy":   {runbook.Found{Free: 1, Copies: []string{"/b/x.db"}}, []string{reach, defragment, clearLog, remove, credentials, show}},
		"everything is in effect": {runbook.Found{Live: 1, History: 1, Free: 1, Log: 1, Copies: []string{"x"}}, []string{reach, rewrite, compact, defragment, clearLog, remove, credentials, show}},
	} {
		t.Run(name, func(t *testing.T) {
			var titles []string
			for _, s := range runbook.Steps(tc.found) {
				titles = append(titles, s.Title)
				if s.Why == "" || s.Cost == "" {
					t.Errorf("%+v", s)
				}
			}
			if !slices.Equal(titles, tc.want) {
				t.Errorf("%q", titles)
			}
		})
	}
}

func commands(f runbook.Found, title string) string {
	for _, s := range runbook.Steps(f) {
		if s.Title == title {
			return strings.Join(s.Commands, "\n")
		}
	}
	return ""
}

func TestCommandsNameTheMembersOfTheCluster(t *testing.T) {
	f := runbook.Found{Free: 1, Members: []string{"https://192.0.2.1:2379", "https://192.0.2.2:2379", "https://192.0.2.3:2379"}, Data: "/data/etcd one"}
	if got, want := commands(f, defragment), "etcdctl defrag --command-timeout=300s --endpoints=https://192.0.2.1:2379\netcdctl defrag --command-timeout=300s --endpoints=https://192.0.2.2:2379\netcdctl defrag --command-timeout=300s --endpoints=https://192.0.2.3:2379"; got != want {
		t.Error(got)
	}
	if got, want := commands(f, show), "etcdaudit scan '/data/etcd one'"; got != want {
		t.Error(got)
	}
}

// The database of a member must not stand behind rm: nothing in a file says that it is not used.
func TestOnlySingleCopiesAreRemoved(t *testing.T) {
	got := commands(runbook.Found{Copies: []string{"/b/x.db", "/var/lib/etcd/member/snap/1.snap.db", "/m/snap/db"}}, remove)
	if lines := strings.Split(got, "\n"); len(lines) != 3 || lines[0] != "rm -- /b/x.db" || !strings.HasPrefix(lines[1], "# ") || !strings.HasPrefix(lines[2], "# ") {
		t.Error(got)
	}
}

// Names come from files, and commands are there to be copied into a shell of root.
func TestNamesCannotBeCommands(t *testing.T) {
	evil := "x'; touch /tmp/hacked; '$(id)`id`\n-rf"
	for _, s := range runbook.Steps(runbook.Found{Live: 1, Copies: []string{evil}, Members: []string{evil}, Data: evil}) {
		for _, command := range s.Commands {
			if !strings.Contains(command, "touch") {
				continue
			}
			// echo shows the words that the shell makes of the command.
			out, err := exec.CommandContext(t.Context(), "sh", "-c", "set -f; etcdctl() { printf '%s\\n' \"$@\"; }; rm() { etcdctl \"$@\"; }; etcdaudit() { etcdctl \"$@\"; }; export() { etcdctl \"$@\"; }; id() { echo HACKED; }; touch() { echo HACKED; }; "+strings.TrimPrefix(command, "export ")).CombinedOutput()
			if strings.Contains(command, "\n") || err == nil && strings.Contains(string(out), "HACKED") {
				t.Errorf("%s\n%s", command, out)
			}
		}
	}
}
