package config

import (
	"strings"

	"github.com/sealproof/sealproof/internal/check"
)

func otherEtcds() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-422", Title: "Every etcd that the API server uses was looked at", Severity: check.Medium,
		Why:   "what is said of one etcd says nothing of resources that the API server keeps in another, Secrets perhaps among them",
		Reads: "--etcd-servers-overrides, beside the addresses that were scanned",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeOtherEtcds),
	}
}

func judgeOtherEtcds(s apiServer) check.Result {
	evidence := s.given("etcd-servers", "etcd-servers-overrides")
	var unseen []string
	others, endpoints := 0, ""
	for _, e := range s.Config.Etcds {
		if e.Resource == "" {
			continue
		}
		others++
		if !s.all.Scanned(e.Servers) {
			unseen = append(unseen, e.Resource+" in "+strings.Join(e.Servers, " and "))
			endpoints = shown(strings.Join(e.Servers, ","))
		}
	}
	do := "scan and test that etcd as well: etcdaudit all --endpoints " + endpoints
	switch elsewhere, _ := s.all.SecretsElsewhere(); {
	case others == 0:
		return check.Inapplicable("no --etcd-servers-overrides: there is one etcd")
	case len(unseen) > 0 && elsewhere != "":
		return with(check.Failed("", "Secrets are not in the etcd that was looked at: "+join(unseen), do), evidence)
	case len(unseen) > 0 && len(s.all.Stores) == 0:
		return with(check.Unevaluated("", "no etcd was scanned, and resources are in more than one: "+join(unseen), "run etcdaudit all; for the others with --endpoints "+endpoints), evidence)
	case len(unseen) > 0:
		return with(check.Warned("", "not looked at: "+join(unseen), do), evidence)
	}
	return with(check.Passed("", "all etcds of --etcd-servers-overrides were scanned"), evidence)
}
