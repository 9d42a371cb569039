package config

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// rangeAll reads one of all keys, which etcd's RBAC leaves to full access.
func (l *liveEtcd) rangeAll(ctx context.Context, url, identity string) answer {
	return l.rangeAs(ctx, url, identity, "\x00", clientv3.WithFromKey())
}

// asNobody: is another user of this machine answered at the socket?
func asNobody(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	got := l.asAnother(ctx, at("http", l.vars["socket"])+"/version")
	if got.let {
		return bad, got.said, got.err
	}
	return good, got.said, got.err
}

// metricsListener: can the metrics listener be read without a certificate from elsewhere than
// this host? 127.0.0.2 stands for elsewhere: a listener on 127.0.0.1 does not answer there.
func metricsListener(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	if !l.open["metrics"] {
		return absent, "nothing listens for metrics", nil
	}
	for _, scheme := range []string{"http", "https"} {
		got := l.curl(ctx, at(scheme, "127.0.0.2:"+l.vars["metricsport"])+"/metrics", "")
		if got.found() || got.err != nil {
			return bad, fmt.Sprintf("over %s at another address without a certificate: %s", scheme, got.said), got.err
		}
	}
	return good, "curl reads nothing at another address without a certificate", nil
}

// metricsReadable: are metrics read without a certificate at any address?
func metricsReadable(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.onlySocket() {
		return absent, "etcd listens at a socket without TLS", nil
	}
	got, said, err := l.readable(ctx, []string{"metrics", "client", "client2", "http", "socket"}, "/metrics", "/debug/pprof/", "/debug/vars")
	if got != good || err != nil {
		return got, said, err
	}
	control, err := l.as(ctx, l.control())
	if !control.let {
		got, said = unclear, said+"; the right one is refused as well: "+control.said
	}
	return got, said, err
}

// debugReadable: does anything serve profiles, to whom ever?
func debugReadable(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	for _, name := range []string{"client", "client2", "http"} {
		for _, ask := range []struct{ scheme, identity string }{{"http", ""}, {"https", ""}, {"https", "apiserver"}} {
			if !l.open[name] {
				continue
			}
			got := l.curl(ctx, at(ask.scheme, l.vars[name])+"/debug/pprof/", ask.identity)
			if got.err != nil {
				return 0, "", got.err
			}
			if got.found() {
				return bad, fmt.Sprintf("over %s as %q %s", ask.scheme, ask.identity, got.said), nil
			}
		}
	}
	return good, "curl finds no profiles", nil
}

func (l *liveEtcd) readable(ctx context.Context, names []string, paths ...string) (opinion, string, error) {
	for _, name := range names {
		for _, scheme := range []string{"http", "https"} {
			for _, path := range paths {
				if !l.open[name] {
					continue
				}
				url := at(scheme, l.vars[name]) + path
				got := l.curl(ctx, url, "")
				if got.err != nil {
					return 0, "", got.err
				}
				if got.found() {
					return bad, fmt.Sprintf("%s://$%s%s without a certificate: %s", scheme, name, path, got.said), nil
				}
			}
		}
	}
	return good, "curl reads nothing without a certificate", nil
}

// revokedRefused: is a revoked certificate refused, and a good one answered?
func revokedRefused(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	revoked, err := l.as(ctx, "revoked")
	if err != nil {
		return 0, "", err
	}
	if revoked.let {
		return bad, "as \"revoked\" " + revoked.said, nil
	}
	control, err := l.as(ctx, l.control())
	if err != nil {
		return 0, "", err
	}
	if !control.let {
		return bad, "the right certificate is refused as well: " + control.said, nil
	}
	return good, "as \"revoked\" " + revoked.said, nil
}
