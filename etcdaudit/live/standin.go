package live

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// What can answer in place of etcd.
const (
	// Kine translates etcd's API to SQL; k3s uses it with SQLite, PostgreSQL and
	// MySQL.
	Kine = "kine"
	// UnknownStandIn is another program, or kine before 0.8.
	UnknownStandIn = "a server that is not etcd"
)

// standIn returns what answers in place of etcd, empty for etcd itself. Every
// answer of etcd carries the cluster's id, which is a hash and never 0. kine
// leaves it out, and its one member has its name (github.com/k3s-io/kine,
// pkg/server/limited.go and cluster.go).
func (s *Store) standIn(ctx context.Context, answer *clientv3.GetResponse) string {
	if answer.Header.ClusterId != 0 {
		return ""
	}
	request, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	list, err := s.client.MemberList(request)
	if err != nil {
		return UnknownStandIn
	}
	for _, m := range list.Members {
		if m.Name == Kine {
			return Kine
		}
	}
	return UnknownStandIn
}
