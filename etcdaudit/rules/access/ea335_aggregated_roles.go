package access

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func aggregatedRoles() rule {
	return rule{
		ID: "EA-335", Title: "Aggregated roles give the rights on Secrets that they select", Severity: check.Low,
		Why:   "the stored rules of an aggregated ClusterRole count, and kube-controller-manager sets them to those that it selects: where they differ it does not run, or the rights are about to change",
		Reads: "aggregationRule of ClusterRoles, the labels of the others, and what the rules of both give on Secrets",
		Run: one(func(a facts.Access) check.Result {
			if len(a.Aggregations) == 0 {
				return check.Passed("", "each aggregated ClusterRole gives what it selects")
			}
			r := check.Warned("", fmt.Sprintf("aggregated ClusterRoles that give another right to read Secrets than they select: %d", len(a.Aggregations)), "look whether the clusterrole-aggregation-controller of kube-controller-manager runs; judge the access anew once it has")
			r.Count = int64(len(a.Aggregations))
			for _, g := range a.Aggregations[:min(len(a.Aggregations), listed)] {
				r.Objects = append(r.Objects, check.Object{Resource: "ClusterRole", Name: g.ClusterRole, Detail: fmt.Sprintf("stored: %s; selected: %s", g.Stored, g.Selected)})
			}
			return r
		}),
	}
}
