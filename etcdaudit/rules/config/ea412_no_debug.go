package config

import (
	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func noDebug() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-412", Title: "etcd serves no debug pages", Severity: check.Medium,
		Why:   "profiles at /debug/pprof can show what is in memory, and taking them slows etcd down; log-level=debug turns them on as well as enable-pprof",
		Reads: "enable-pprof and log-level as they are in force, and what the addresses for clients demand",
		Needs: []check.Need[etcd]{understood, starts}, Run: one(judgeDebug),
	}
}

func judgeDebug(e etcd) check.Result {
	evidence := e.set("enable-pprof", "log-level")
	if !e.Config.Pprof && e.Config.LogLevel != "debug" {
		return with(check.Passed("", "neither enable-pprof nor log-level=debug is set"), evidence)
	}
	do := fix.Etcd(e.host, e.Etcd, "enable-pprof=false", "log-level=info")
	if weakest(e.clients(), e.Config.ClientAuth) != etcdconfig.OwnCA {
		return with(check.Failed("", "/debug/pprof is served to callers without a certificate of etcd's CA", do), evidence)
	}
	return with(check.Warned("", "/debug/pprof is served to each holder of an accepted certificate", do), evidence)
}
