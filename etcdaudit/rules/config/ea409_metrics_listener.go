package config

import (
	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func metricsListener() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-409", Title: "Metrics are read on the node, or with a certificate", Severity: check.Medium,
		Why:   "this listener serves /metrics and /health and nothing that is stored; metrics show names, versions, sizes and load to whoever reads them",
		Reads: "listen-metrics-urls as they are in force; an https:// one takes certificate and CA of the client listener",
		Needs: []check.Need[etcd]{understood, starts}, Run: one(judgeMetrics),
	}
}

func judgeMetrics(e etcd) check.Result {
	evidence := e.set("listen-metrics-urls", "metrics", "client-cert-auth", "trusted-ca-file")
	if len(e.Config.ListenMetrics) == 0 {
		return check.Inapplicable("there is no listen-metrics-urls; metrics are at the addresses for clients, and protected as they are")
	}
	var open []string
	for _, u := range e.Config.ListenMetrics {
		if auth := e.Config.MetricsAuth(u); !local(u) && auth != etcdconfig.OwnCA {
			open = append(open, u)
		}
	}
	if len(open) > 0 {
		return with(check.Warned("", "/metrics and /health are read without a certificate of etcd's CA at "+join(open)+"; keys and values are not there", fix.Etcd(e.host, e.Etcd, "listen-metrics-urls=http://127.0.0.1:2381")), evidence)
	}
	return with(check.Passed("", join(e.Config.ListenMetrics)+": read from this node, or with a certificate of etcd's CA; keys and values are not there"), evidence)
}
