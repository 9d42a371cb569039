package runbook_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/runbook"
)

const (
	reach, rewrite, compact, defragment = "Let etcdctl reach every member", "Rewrite live values", "Compact the history", "Defragment every member, one after the other"
	nodes, clearLog, remove             = "Say how members are stopped and started", "Clear the write-ahead log of every member", "Remove the copies, and take new ones"
	replace, orAge                      = "Clear the write-ahead log by replacing every member", "Or age the write-ahead log, instead of replacing members"
	credentials, show                   = "Change the credentials", "Show that nothing is left"
)

func TestStepsAreThoseFromTheFirstLayerOn(t *testing.T) {
	for name, tc := range map[string]struct {
		plaintext runbook.Plaintext
		copies    []string
		want      []string
	}{
		"nothing":                 {runbook.Plaintext{}, nil, nil},
		"live values":             {runbook.Plaintext{Live: 1}, nil, []string{reach, rewrite, compact, defragment, nodes, clearLog, credentials, show}},
		"a database byte by byte": {runbook.Plaintext{Undetermined: 1}, nil, []string{reach, rewrite, compact, defragment, nodes, clearLog, credentials, show}},
		"history":                 {runbook.Plaintext{History: 1}, nil, []string{reach, compact, defragment, nodes, clearLog, credentials, show}},
		"free pages":              {runbook.Plaintext{Free: 1}, nil, []string{reach, defragment, nodes, clearLog, credentials, show}},
		"pieces":                  {runbook.Plaintext{Pieces: 1}, nil, []string{reach, defragment, nodes, clearLog, credentials, show}},
		"the log alone":           {runbook.Plaintext{Log: 1}, nil, []string{reach, nodes, clearLog, credentials, show}},
		"copies alone":            {runbook.Plaintext{}, []string{"/b/x.db"}, []string{remove, credentials}},
		"free pages and a copy":   {runbook.Plaintext{Free: 1}, []string{"/b/x.db"}, []string{reach, defragment, nodes, clearLog, remove, credentials, show}},
		"everything is in effect": {runbook.Plaintext{Live: 1, History: 1, Free: 1, Log: 1}, []string{"x"}, []string{reach, rewrite, compact, defragment, nodes, clearLog, remove, credentials, show}},
	} {
		t.Run(name, func(t *testing.T) {
			var titles []string
			for _, s := range runbook.Steps(runbook.Found{Plaintext: tc.plaintext, Copies: tc.copies}) {
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

func step(f runbook.Found, title string) (s runbook.Step, commands string) {
	for _, s := range runbook.Steps(f) {
		if s.Title == title {
			return s, strings.Join(s.Commands, "\n")
		}
	}
	return runbook.Step{}, ""
}

// found is what is left in the log of a cluster of so many members, with more entries than a
// leader sends again.
func found(version string, members int) runbook.Found {
	f := runbook.Found{
		Plaintext: runbook.Plaintext{Log: 1}, Data: "/var/lib/etcd", WAL: "/var/lib/etcd/member/wal",
		Cluster: record.Cluster{Version: version, Index: 30_000},
		Log:     record.Log{Segments: 3, Rest: 14_000_000, Index: 30_100, Snapshot: 20_002},
	}
	for i := range members {
		f.Cluster.Members = append(f.Cluster.Members, record.Member{
			Name: fmt.Sprintf("cp-%d", i), PeerURLs: []string{fmt.Sprintf("https://192.0.2.%d:2380", i)}, ClientURLs: []string{fmt.Sprintf("https://192.0.2.%d:2379", i)},
		})
	}
	return f
}

func TestTheLogIsClearedInTheWayThatTheClusterAllows(t *testing.T) {
	changed := func(change func(f *runbook.Found)) runbook.Found {
		f := found("3.7.0", 3)
		change(&f)
		return f
	}
	for name, tc := range map[string]struct {
		found runbook.Found
		why   string // members are not replaced; nothing if they are
	}{
		"three members of 3.7":  {found("3.7.0", 3), ""},
		"five members of 3.6":   {found("3.6.0", 5), ""},
		"three members of 3.5":  {found("3.5.0", 3), "before 3.6 (here 3.5.0) a leader sends a new member the old entries again"},
		"one member":            {found("3.7.0", 1), "three members or more"},
		"no version":            {found("", 3), "release of etcd is not known"},
		"a strange version":     {found("4.0.0", 3), "release of etcd is not known"},
		"few entries":           {changed(func(f *runbook.Found) { f.Cluster.Index, f.Log.Index = 90, 99 }), "with 99 entries"},
		"a snapshot alone":      {changed(func(f *runbook.Found) { f.Log, f.WAL = record.Log{}, "" }), ""},
		"a learner":             {changed(func(f *runbook.Found) { f.Cluster.Members[1].Learner = true }), "learner"},
		"a log of its own disk": {changed(func(f *runbook.Found) { f.WAL = "/wal" }), "outside of the data directory"},
		"a name with a blank":   {changed(func(f *runbook.Found) { f.Cluster.Members[1].Name = "a b" }), "does not name its members"},
		"an address with more":  {changed(func(f *runbook.Found) { f.Cluster.Members[1].PeerURLs[0] += "/$(id)" }), "does not name its members"},
		"one name for two":      {changed(func(f *runbook.Found) { f.Cluster.Members[1].Name = "cp-0" }), "the same name"},
		"two on one host": {changed(func(f *runbook.Found) {
			f.Cluster.Members[1].PeerURLs = []string{"https://192.0.2.0:2480"}
		}), "on one host"},
		"a member not started": {changed(func(f *runbook.Found) { f.Cluster.Members[1].ClientURLs = nil }), "does not name its members"},
	} {
		s, ageing := step(tc.found, clearLog)
		_, replacing := step(tc.found, replace)
		if tc.why == "" {
			s, ageing = step(tc.found, orAge)
		}
		// Of the two ways a script has one.
		call := s.Commands[len(s.Commands)-1]
		if (replacing != "") != (tc.why == "") || !strings.Contains(s.Why, tc.why) || strings.HasPrefix(call, "#") != (replacing != "") {
			t.Errorf("%s: %s\n%s\n%s", name, s.Why, ageing, replacing)
		}
	}
}

func TestCommandsNameTheMembersOfTheCluster(t *testing.T) {
	f := found("3.7.0", 3)
	f.Plaintext.Free = 1
	for title, want := range map[string]string{
		reach:   "\nexport ETCDCTL_ENDPOINTS=https://192.0.2.0:2379,https://192.0.2.1:2379,https://192.0.2.2:2379\n",
		replace: "\nreplace cp-0\nreplace cp-1\nreplace cp-2\non 192.0.2.0 'rm -r -- \"$1/member.replaced\"' \"$data\"\n",
		orAge:   "\n# age 192.0.2.0 192.0.2.1 192.0.2.2",
		nodes:   "data=/var/lib/etcd; wal=$data/member/wal #",
		show:    "\netcdaudit scan /var/lib/etcd",
	} {
		if _, got := step(f, title); !strings.Contains(got, want) {
			t.Errorf("%s: no %q in\n%s", title, want, got)
		}
	}
	f.Cluster.Members[1].ClientURLs = nil
	if _, got := step(f, clearLog); !strings.HasSuffix(got, "\necho \"FILL IN: age HOST..., with the hosts of all members\" >&2; exit 1") {
		t.Error(got)
	}
	f.Data, f.WAL = "/data/etcd one", "/wal"
	if _, got := step(f, show); !strings.HasSuffix(got, "etcdaudit scan '/data/etcd one'") {
		t.Error(got)
	}
	if _, got := step(f, nodes); !strings.HasPrefix(got, "data=/var/lib/etcd; wal=/wal #") {
		t.Error(got)
	}
}

// What an operator waits for, in bytes and in entries, is worked out from the log.
func TestTheCostOfAgeingIsThatOfTheLog(t *testing.T) {
	for name, tc := range map[string]struct {
		found runbook.Found
		want  []string
	}{
		"3.7":          {found("3.7.0", 3), []string{"about 257 MiB of other writes", "at the most 10001 entries behind the first 13 MiB", "--snapshot-count 10000", "3 segments, the last entry is 30100, the last snapshot at 20002"}},
		"3.5":          {found("3.5.0", 3), []string{"at the most 100001 entries", "--snapshot-count 100000"}},
		"no release":   {found("", 3), []string{"up to 366 MiB of other writes, and --snapshot-count entries"}},
		"a single one": {found("3.7.0", 1), []string{"no etcd meanwhile"}},
	} {
		s, _ := step(tc.found, clearLog)
		if s.Title == "" {
			s, _ = step(tc.found, orAge)
		}
		for _, want := range tc.want {
			if !strings.Contains(s.Cost, want) {
				t.Errorf("%s: no %q in %s", name, want, s.Cost)
			}
		}
	}
}

// What is compacted before is given back as well.
func TestDefragmentingGivesBackWhatWasCompacted(t *testing.T) {
	const free, history = 5 << 20, 7 << 20
	for want, f := range map[string]runbook.Found{
		"gives back about 12 MiB here: 5 MiB of free pages, and 7 MiB of history that is compacted before": {Plaintext: runbook.Plaintext{History: 1}, FreeBytes: free, HistoryBytes: history},
		"gives back about 5 MiB here":                                  {Plaintext: runbook.Plaintext{Free: 1}, FreeBytes: free, HistoryBytes: history},
		"gives back at least 5 MiB here, and what is compacted before": {Plaintext: runbook.Plaintext{Live: 1}, FreeBytes: free},
	} {
		if s, _ := step(f, "Defragment every member, one after the other"); !strings.HasSuffix(s.Cost, want) {
			t.Errorf("%s\nwant %s", s.Cost, want)
		}
	}
}

// A cluster may encrypt more than Secrets.
func TestEachResourceWithPlaintextIsRewritten(t *testing.T) {
	f := runbook.Found{Plaintext: runbook.Plaintext{Live: 2, Undetermined: 3}, Resources: []string{"secrets", "configmaps", "deployments.apps"}}
	s, got := step(f, rewrite)
	for i, resource := range f.Resources {
		if want := "kubectl get " + resource + " --all-namespaces -o json | kubectl replace -f -"; len(s.Commands) != 3 || s.Commands[i] != want {
			t.Error(got)
		}
	}
	if !strings.HasPrefix(s.Why, "2 live values are plaintext") || !strings.Contains(s.Why, "3 copies are in a database that was read byte by byte") {
		t.Error(s.Why)
	}
}

// Scripts are read by every sh: what only bash knows ends this one.
func TestCommandsAreAScript(t *testing.T) {
	f := found("3.7.0", 3)
	f.Plaintext = runbook.Plaintext{Live: 1, History: 1, Free: 1, Log: 1}
	f.Copies = []string{"/b/it's"}
	var all []string
	for _, s := range runbook.Steps(f) {
		all = append(all, s.Commands...)
		for _, line := range s.Commands {
			if strings.ContainsAny(line, "\t\n") {
				t.Errorf("%q is no line that a report shows as it is", line)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-n")
	cmd.Stdin = strings.NewReader(strings.Join(all, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The database of a member must not stand behind rm: nothing in a file says that it is not used.
func TestOnlySingleCopiesAreRemoved(t *testing.T) {
	const segment = "0000000000000001-00000000000009c4.wal"
	_, got := step(runbook.Found{Copies: []string{"/b/x.db", "/var/lib/etcd/member/snap/1.snap.db", "/m/snap/db", "/fast/log/" + segment, "/fast/log/" + segment + ".broken", "/fast/log/1.tmp"}}, remove)
	lines := strings.Split(got, "\n")
	if len(lines) != 6 || lines[0] != "rm -- /b/x.db" {
		t.Fatal(got)
	}
	for _, line := range lines[1:] {
		if !strings.HasPrefix(line, "# ") {
			t.Error(line)
		}
	}
}

// Names come from files, and commands are there to be copied into a shell of root.
func TestNamesCannotBeCommands(t *testing.T) {
	evil := "x'; touch /tmp/hacked; '$(id)`id`\n-rf"
	f := found("3.7.0", 3)
	f.Plaintext.Live, f.Resources, f.Copies, f.Data, f.WAL = 1, []string{evil}, []string{evil}, evil, evil
	for _, change := range []func(m *record.Member){
		func(m *record.Member) { m.Name = evil },
		func(m *record.Member) { m.PeerURLs = []string{evil} },
		func(m *record.Member) { m.PeerURLs = []string{"https://" + evil + ":2380"} },
		func(m *record.Member) { m.ClientURLs = []string{evil} },
	} {
		g := f
		g.Cluster.Members = slices.Clone(f.Cluster.Members)
		change(&g.Cluster.Members[0])
		for _, s := range runbook.Steps(g) {
			for _, command := range s.Commands {
				if !strings.Contains(command, "touch") {
					continue
				}
				// echo shows the words that the shell makes of the command.
				out, err := exec.CommandContext(t.Context(), "sh", "-c", "set -f; etcdctl() { printf '%s\\n' \"$@\"; }; rm() { etcdctl \"$@\"; }; etcdaudit() { etcdctl \"$@\"; }; export() { etcdctl \"$@\"; }; kubectl() { :; }; id() { echo HACKED; }; touch() { echo HACKED; }; "+strings.TrimPrefix(command, "export ")).CombinedOutput()
				if strings.Contains(command, "\n") || err == nil && strings.Contains(string(out), "HACKED") {
					t.Errorf("%s\n%s", command, out)
				}
			}
		}
	}
}

// Copies are the way back: a new one is taken before any is removed.
func TestANewSnapshotIsTakenBeforeCopiesAreRemoved(t *testing.T) {
	for _, s := range runbook.Steps(runbook.Found{Plaintext: runbook.Plaintext{Free: 1}, Copies: []string{"/b/x.db"}}) {
		if s.Title != remove {
			continue
		}
		if len(s.Commands) != 2 || !strings.Contains(s.Commands[0], "etcdctl snapshot save ") || s.Commands[1] != "rm -- /b/x.db" {
			t.Errorf("%q", s.Commands)
		}
		return
	}
	t.Error("there is no such step")
}
