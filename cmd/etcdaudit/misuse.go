package main

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/cmd/internal/cli"
)

// misuse is flags that say nothing in a call, and why: ignored, they would leave a belief that is
// wrong.
type misuse struct {
	flags []string
	when  bool
	why   string
}

// refuseMisuse refuses flags that cannot have an effect beside the rest of the call. A
// configuration file and the environment serve all commands: what is of no use to one of them is
// no mistake there.
func (a *auditRun) refuseMisuse() error {
	if a.given == nil {
		return nil
	}
	for _, m := range a.misuses() {
		for _, flag := range m.flags {
			if m.when && a.given(flag) {
				return cli.Usage(fmt.Errorf("--%s: %s", flag, m.why))
			}
		}
	}
	return nil
}

// onlyLive reports whether no file is read, and nothing is kept of what is.
func (a *auditRun) onlyLive() bool {
	return len(a.paths) == 0 && !a.Timeline.Timeline && (!a.forKeys || a.KeyUsage.Backups == "") && (len(a.Connection.Endpoints) > 0 || !a.Files.Files)
}

func (a *auditRun) misuses() []misuse {
	var (
		paths     = len(a.paths) > 0
		scan      = a.groups.Data && !a.groups.Host
		elsewhere = a.groups.Data && !paths && len(a.Connection.Endpoints) > 0
		asks      = len(a.Connection.Endpoints) > 0 && a.Files.WorkDir != ""
	)
	return []misuse{
		{
			[]string{"root", "kubeconfig", "apiserver-metrics", "fingerprint-key", "snapshot-dir"}, len(a.archives) > 0,
			"it is about a node that is read now, and an archive has what collect found: give it to collect",
		},
		{[]string{"consistency", "compare-members", "root", "kubeconfig"}, paths, "it is about a running etcd or this node, and with a path only files are read: leave it or the path out"},
		{
			[]string{"endpoints"}, paths && !asks && len(a.Connection.Endpoints) > 0,
			"with a path only files are read, and an etcd is asked for the database of a member that runs only where there is a directory for that: give --work-dir as well, or leave one of them out",
		},
		{
			[]string{"cacert", "cert", "key", "timeout", "rate"}, paths && !asks,
			"with a path only files are read: leave it out, or give --endpoints and --work-dir, to ask a member that runs for its database",
		},
		{
			[]string{"apiserver-metrics"}, !a.groups.Data && len(a.Metrics.APIServers) > 1,
			"only those of this node's API server are looked at here: give one file, or all of them to scan or all",
		},
		{[]string{"files"}, paths, "a path names the files to be read: leave one of them out"},
		{[]string{"files"}, elsewhere && a.Files.Files, "with endpoints (" + strings.Join(a.Connection.Endpoints, ",") + ") only live values are read: they need not be this node's; name its files as paths"},
		{[]string{"root"}, scan && elsewhere, "with endpoints (" + strings.Join(a.Connection.Endpoints, ",") + ") scan reads nothing of a node: leave one of them out"},
		{[]string{"work-dir", "memory"}, a.onlyLive(), "it is for files and timelines, and only live values are read: leave it out, or add --timeline"},
		{[]string{"clock-skew"}, !a.Timeline.Timeline, "it is about the bounds of a timeline: add --timeline, or leave it out"},
		{
			append([]string{"transit", "accept-cluster", "unwrap-rate", "unwrap-timeout"}, vaultFlags()...), !a.forKeys && !a.Verify.Verify,
			"it is about opening values: add --verify, or leave it out",
		},
		{append([]string{"accept-cluster"}, vaultFlags()...), !a.forKeys && !a.Verify.Transit, "it is about a Transit key in Vault: add --transit, or leave it out"},
		{
			append([]string{"vault-other-key", "register"}, vaultFlags()...), a.forKeys && a.Vault.Key == "",
			"it is about a key in Vault: name that with --vault-key, or leave it out",
		},
		{[]string{"wal-dir"}, !paths, "it is of a data directory that is named: name one, or leave it out"},
		{[]string{"probe-cert"}, a.TLS.Passive, "a normal client does not show it, and --passive sends nothing else: leave one of them out"},
		{[]string{"enumerate"}, a.TLS.Enumerate && a.TLS.Passive, "trying everything is what --passive leaves out: leave one of them out"},
		{
			[]string{
				"fail-on", "strict", "accept", "min-coverage", "encryption-provider-config", "current-key-id", "timeout", "rate", "consistency", "compare-members", "files",
				"verify", "work-dir", "memory", "timeline", "clock-skew", "apiserver-metrics", "plugin-socket", "fingerprint-key", "snapshot-dir", "max-snapshot-age", "kubeconfig",
			}, a.TLS.Plan,
			"it is about a report, and --plan makes none: leave one of them out",
		},
	}
}
