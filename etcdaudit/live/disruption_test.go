package live_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

// disturbed reads everything, and does something before each of the first pages.
func disturbed(t *testing.T, e *cluster.Etcd, snap *live.Snapshot, disturb ...func() error) {
	t.Helper()
	got := store{}
	if err := snap.Read(t.Context(), func(page []record.Record) error {
		if err := got.add(page); err != nil || len(disturb) == 0 {
			return err
		}
		next := disturb[0]
		disturb = disturb[1:]
		return next()
	}); err != nil {
		t.Fatal(err)
	}
	if len(disturb) > 0 {
		t.Fatalf("%d disturbances did not come to pass", len(disturb))
	}
	got.equals(t, e, snap)
}

func TestALostConnectionLeavesNoGap(t *testing.T) {
	c := clustertest.New(t, components.Etcd)
	e, err := c.StartEtcd(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, e, "/registry/secrets/default/s", many, value)
	proxy, err := c.StartProxy(e.Endpoints()[0])
	if err != nil {
		t.Fatal(err)
	}
	config := configOf(e)
	config.Endpoints = []string{proxy.URL}
	cut := func() error { proxy.Cut(); return proxy.Heal(t.Context()) }
	disturbed(t, e, pin(t, connect(t, config), "/registry"), cut, cut, cut)
}

func TestAnEtcdThatHangsBeforeItIsReadIsAnError(t *testing.T) {
	c := clustertest.New(t, components.Etcd)
	e, err := c.StartEtcd(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := c.StartProxy(e.Endpoints()[0])
	if err != nil {
		t.Fatal(err)
	}
	config := configOf(e)
	config.Endpoints, config.RequestTimeout = []string{proxy.URL}, 10*time.Second
	snap := pin(t, connect(t, config), "/registry")
	if err := proxy.Hang(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	err = snap.Read(ctx, func([]record.Record) error { return nil })
	if ctx.Err() != nil {
		t.Fatal("it is waited for")
	}
	want(t, err, proxy.URL)
}

func TestKilledMembersAndAMovedLeaderLeaveNoGap(t *testing.T) {
	e, err := clustertest.New(t, components.Etcd).StartEtcd(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, e, "/registry/secrets/default/s", many, value)
	// Every member once: the reading is from one of them.
	restart := func(i int) func() error {
		return func() error {
			if err := e.Member(i).Kill(); err != nil {
				return err
			}
			return e.Member(i).Restart(t.Context())
		}
	}
	disturbed(t, e, pin(t, connect(t, configOf(e)), "/registry"), restart(0), restart(1), func() error { return moveLeader(t, e) }, restart(2))
}

// moveLeader makes another member the leader.
func moveLeader(t *testing.T, e *cluster.Etcd) error {
	t.Helper()
	for _, endpoint := range e.Endpoints() {
		status, err := e.Client().Status(t.Context(), endpoint)
		if err != nil {
			return err
		}
		if status.Leader != status.Header.MemberId {
			continue
		}
		list, err := e.Client().MemberList(t.Context())
		if err != nil {
			return err
		}
		for _, m := range list.Members {
			if m.ID == status.Leader {
				continue
			}
			leader, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, TLS: clientTLS(t, e)})
			if err != nil {
				return err
			}
			_, err = leader.MoveLeader(t.Context(), m.ID)
			return errors.Join(err, leader.Close())
		}
	}
	t.Fatal("no leader")
	return nil
}

func clientTLS(t *testing.T, e *cluster.Etcd) *tls.Config {
	t.Helper()
	config, err := e.ClientFiles().TLS()
	if err != nil {
		t.Fatal(err)
	}
	return config
}
