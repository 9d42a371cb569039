package audit

import (
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// cluster is sources that show the same cluster, or a member that another of them shows as well.
// They have one order of revisions.
type cluster struct {
	store   string   // that of the first source
	shown   []string // ids of the cluster and its members
	sources []int
}

// clustersOf puts sources together.
func clustersOf(sources []record.Source) (clusters []cluster) {
	for i, source := range sources {
		one := cluster{sources: []int{i}}
		for _, scope := range source.Scopes() {
			one.store = scope.Store()
			one.shown = append(one.shown, shownBy(scope)...)
		}
		same := func(c cluster) bool {
			return slices.ContainsFunc(c.shown, func(id string) bool { return slices.Contains(one.shown, id) })
		}
		for _, c := range clusters {
			if same(c) {
				one.store = c.store
				one.shown, one.sources = append(c.shown, one.shown...), append(c.sources, one.sources...)
			}
		}
		clusters = append(slices.DeleteFunc(clusters, same), one)
	}
	return clusters
}

// shownBy are the ids that a scope has of its cluster.
func shownBy(s record.Scope) (ids []string) {
	if s.ClusterID != "" {
		ids = append(ids, "cluster "+s.ClusterID)
	}
	if s.Member != "" {
		ids = append(ids, "member "+s.Member)
	}
	for _, m := range s.Cluster.Members {
		if m.ID != "" {
			ids = append(ids, "member "+m.ID)
		}
	}
	return ids
}
