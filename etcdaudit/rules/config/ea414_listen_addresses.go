package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func listenAddresses() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-414", Title: "etcd listens on loopback and its own addresses only", Severity: check.Low,
		Why:   "on 0.0.0.0 or another network's address etcd is reached from networks that it is not meant for, such as pods, a public interface or one that is added later; then certificates alone keep strangers out",
		Reads: "the addresses for clients, peers and metrics, beside those under which the member is known to others",
		Needs: []check.Need[etcd]{understood, starts}, Run: one(judgeListen),
	}
}

func judgeListen(e etcd) check.Result {
	own := map[string]bool{}
	var names []string
	for _, u := range slices.Concat(e.Config.AdvertiseClient, e.Config.AdvertisePeer) {
		if ip := net.ParseIP(hostOf(u)); ip != nil {
			own[ip.String()] = true
		} else if hostOf(u) != "" && hostOf(u) != "localhost" {
			names = append(names, hostOf(u))
		}
	}
	var everywhere, other []string
	for _, u := range slices.Concat(e.clients(), e.Config.ListenPeer, e.Config.ListenMetrics) {
		ip := net.ParseIP(hostOf(u))
		switch {
		case strings.HasPrefix(scheme(u), "unix") || hostOf(u) == "localhost":
		case ip == nil && hostOf(u) == "", ip != nil && ip.IsUnspecified():
			everywhere = append(everywhere, u)
		case ip != nil && !ip.IsLoopback() && !own[ip.String()]:
			other = append(other, u)
		}
	}
	r := check.Passed("", "loopback, and the addresses that it is known by")
	switch {
	case everywhere != nil:
		r = check.Warned("", "on every address of the node: "+join(everywhere), fix.Etcd(e.host, e.Etcd, narrowed(e, everywhere)...))
	case other != nil && names != nil:
		r = check.Unevaluated("", fmt.Sprintf("whether %s is an address of %s is not known here", join(other), join(names)), "resolve the names, and compare")
	case other != nil:
		r = check.Warned("", "on addresses that the member is not known by: "+join(other), fix.Etcd(e.host, e.Etcd, narrowed(e, other)...))
	}
	return with(r, e.set("listen-client-urls", "listen-client-http-urls", "listen-peer-urls", "listen-metrics-urls", "advertise-client-urls", "initial-advertise-peer-urls"))
}

// narrowed are the settings that name one of these addresses, with loopback and the addresses
// that the member is known by in the place of it. Other addresses of a list stay.
func narrowed(e etcd, wide []string) (settings []string) {
	for _, list := range []struct {
		name     string
		urls     []string
		instead  []string
		loopback bool
	}{
		{"listen-client-urls", e.Config.ListenClient, e.Config.AdvertiseClient, true}, {"listen-client-http-urls", e.Config.ListenClientHTTP, nil, true},
		{"listen-peer-urls", e.Config.ListenPeer, e.Config.AdvertisePeer, false}, {"listen-metrics-urls", e.Config.ListenMetrics, nil, true},
	} {
		isWide := func(u string) bool { return slices.Contains(wide, u) }
		if !slices.ContainsFunc(list.urls, isWide) {
			continue
		}
		var urls []string
		for _, u := range list.urls {
			narrow := []string{u}
			if isWide(u) {
				narrow = instead(u, list.instead, list.loopback)
			}
			for _, one := range narrow {
				if !slices.Contains(urls, one) {
					urls = append(urls, one)
				}
			}
		}
		settings = append(settings, list.name+"="+strings.Join(urls, ","))
	}
	return settings
}

// instead are the addresses with the scheme and port of one that is too wide: loopback, and those
// that the member is known by. A name would have to be resolved: etcd refuses to listen on one.
func instead(wide string, known []string, onLoopback bool) (urls []string) {
	u, err := url.Parse(wide)
	if err != nil {
		return []string{wide}
	}
	if onLoopback {
		urls = append(urls, at(u, "127.0.0.1"))
	}
	addresses, names := 0, 0
	for _, k := range known {
		ip := net.ParseIP(hostOf(k))
		switch {
		case ip != nil && !ip.IsUnspecified():
			addresses++
			urls = append(urls, at(u, ip.String()))
		case ip == nil && hostOf(k) != "localhost":
			names++
		}
	}
	if addresses == 0 && (names > 0 || !onLoopback) {
		urls = append(urls, at(u, "ADDRESS"))
	}
	return urls
}

// at is a URL with another host.
func at(u *url.URL, host string) string {
	return u.Scheme + "://" + net.JoinHostPort(host, u.Port())
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
