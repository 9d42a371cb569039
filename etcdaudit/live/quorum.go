package live

import (
	"context"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// withoutQuorum finds out whether a request failed because no endpoint that answers has a leader, and
// which endpoints still answer by themselves; nil if one has, or if none does.
func (s *Store) withoutQuorum(ctx context.Context, op, key string, err error) *Error {
	if s.config.Serializable || ctx.Err() != nil || !noLeader(err) && !unanswered(err) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	alone, led := make([]bool, len(s.endpoints)), make([]bool, len(s.endpoints))
	var asked sync.WaitGroup
	for i, e := range s.endpoints {
		asked.Go(func() { alone[i], led[i] = s.answersAlone(ctx, e.url, key) })
	}
	asked.Wait()
	var urls []string
	for i, e := range s.endpoints {
		switch {
		case led[i]:
			return nil
		case alone[i]:
			urls = append(urls, e.url)
		}
	}
	if len(urls) == 0 {
		return nil
	}
	all := strings.Join(urls, ",")
	return &Error{
		Op: op, Err: err, What: "no endpoint that answers has a leader: the quorum is lost, or they are cut off from it; without one still answers " + all,
		Do: "try again, or name other members with --endpoints; else read what those have, which may be older than what others have: --consistency serializable --endpoints " + all,
	}
}

// answersAlone asks one member, and no other through it: whether it serves reads without a
// leader, or has one.
func (s *Store) answersAlone(ctx context.Context, url, key string) (alone, led bool) {
	status, err := s.client.Status(ctx, url)
	if err != nil {
		return false, false
	}
	if status.Leader != 0 {
		return false, true
	}
	c := s.config
	c.Endpoints, c.Serializable = []string{url}, true
	one, err := Connect(ctx, c)
	if err != nil {
		return false, false
	}
	defer func() { _ = one.Close() }()
	_, err = one.get(ctx, "read without the others", key, clientv3.WithCountOnly())
	return err == nil, false
}
