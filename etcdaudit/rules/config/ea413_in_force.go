package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/internal/check"
)

func inForce() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-413", Title: "What etcd runs with is what is on disk", Severity: check.Medium,
		Why:   "a file that was changed after etcd read it says what will be, not what is; the next restart brings it into force, wanted or not",
		Reads: "the times of the configuration file and the CA files against the start of the process, and what a new start would use; certificate, key and revocation list are read at each handshake and may be newer",
		Needs: []check.Need[etcd]{understood}, Run: one(judgeInForce),
	}
}

func judgeInForce(e etcd) check.Result {
	const todo = "restart the member, one at a time, or put back what it runs with"
	if !e.host.Live {
		r := check.Unevaluated("", "only files were read, and nothing says that they are in force", "run etcdaudit host on the running node")
		r.Expected = true
		return r
	}
	if e.Process == nil || e.Process.Started.IsZero() {
		return check.Unevaluated("", "no process of this etcd was read, or since when it runs is not known", "run etcdaudit as root")
	}
	var newer []string
	var evidence []check.Evidence
	for _, path := range []string{e.ConfigFile, e.Config.Client.TrustedCA, e.Config.Peer.TrustedCA} {
		f, read := e.Files[path]
		changed := f.Written()
		if path == "" || !read || changed.IsZero() || len(evidence) > 0 && evidence[len(evidence)-1].Source == path {
			continue
		}
		evidence = append(evidence, check.Evidence{Source: path, Seen: "changed " + changed.UTC().Format(time.RFC3339)})
		if f.WrittenAfter(e.Process.Started) {
			newer = append(newer, path)
		}
	}
	switch different := e.different(); {
	case len(different) > 0:
		return with(check.Warned("", "a new start would change "+join(different), todo), evidence)
	case len(newer) > 0:
		return with(check.Warned("", "changed since etcd started: "+join(newer), todo), evidence)
	case e.Manifest != nil && e.Manifest.NotEvaluated != "":
		return with(check.Unevaluated("", "what a new start would use is not known: "+e.Manifest.NotEvaluated, ""), evidence)
	}
	return with(check.Passed("", fmt.Sprintf("nothing on disk is newer than process %d", e.Process.PID)), evidence)
}

// different are the settings that a new start would change.
func (e etcd) different() (names []string) {
	if e.Manifest == nil {
		return nil
	}
	values := func(c etcdconfig.Effective) map[string]string {
		all := map[string]string{}
		for _, s := range c.Settings {
			all[s.Name] = s.Value
		}
		return all
	}
	now := values(e.Config)
	for _, s := range e.Manifest.Settings {
		if value, ok := now[s.Name]; !ok || value != s.Value {
			names = append(names, s.Name)
		}
		delete(now, s.Name)
	}
	return append(names, slices.Sorted(maps.Keys(now))...)
}
