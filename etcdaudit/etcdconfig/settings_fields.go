package etcdconfig

import (
	"net/url"
	"reflect"
)

// A field of embed.Config without a JSON tag is a key of the file as well, by the name of
// the field. etcd documents none of them and replaces most.
type fieldKey struct {
	// shape is how encoding/json reads it; nil where kind says so.
	shape reflect.Type
	// feeds is the setting that it fills if that is not written.
	feeds string
	// overruled is the key that replaces it in any case.
	overruled string
	// shown is whether it is a setting of its own.
	shown bool
}

// undocumented are those keys.
func undocumented() []setting {
	field := func(name string, f fieldKey) setting {
		return setting{name: name, fileOnly: true, kind: text, field: &f}
	}
	shapeOfURLs := reflect.TypeFor[[]url.URL]()
	refused := reflect.TypeFor[func()]() // encoding/json accepts null only, as for the functions and interfaces of embed.Config
	all := []setting{
		field("ListenPeerUrls", fieldKey{shape: shapeOfURLs, feeds: "listen-peer-urls"}),
		field("ListenClientUrls", fieldKey{shape: shapeOfURLs, feeds: "listen-client-urls"}),
		field("ListenClientHttpUrls", fieldKey{shape: shapeOfURLs, feeds: "listen-client-http-urls"}),
		field("ListenMetricsUrls", fieldKey{shape: shapeOfURLs, feeds: "listen-metrics-urls"}),
		field("AdvertisePeerUrls", fieldKey{shape: shapeOfURLs, feeds: "initial-advertise-peer-urls"}),
		field("AdvertiseClientUrls", fieldKey{shape: shapeOfURLs, feeds: "advertise-client-urls"}),
		field("ClientAutoTLS", fieldKey{shape: reflect.TypeFor[bool](), overruled: "client-transport-security.auto-tls"}),
		field("PeerAutoTLS", fieldKey{shape: reflect.TypeFor[bool](), overruled: "peer-transport-security.auto-tls"}),
		field("ZapLoggerBuilder", fieldKey{shape: refused, overruled: "the program"}),
	}
	for _, s := range []setting{
		field("ServerFeatureGate", fieldKey{shape: reflect.TypeFor[struct{}](), overruled: "the program"}),
		field("FlagsExplicitlySet", fieldKey{shape: reflect.TypeFor[map[string]bool](), overruled: "the program"}),
		field("grpc-additional-server-options", fieldKey{shape: reflect.TypeFor[[]func()](), overruled: "the program"}),
	} {
		s.since = 6
		all = append(all, s)
	}
	for info, section := range map[string]string{"ClientTLSInfo.": "client-transport-security", "PeerTLSInfo.": "peer-transport-security"} {
		for _, name := range []string{"CertFile", "KeyFile", "ClientCertFile", "ClientKeyFile", "TrustedCAFile"} {
			all = append(all, field(info+name, fieldKey{overruled: section}))
		}
		for _, name := range []string{"AllowedCNs", "AllowedHostnames"} {
			all = append(all, field(info+name, fieldKey{shape: reflect.TypeFor[[]string](), overruled: section}))
		}
		for _, name := range []string{"MinVersion", "MaxVersion"} {
			all = append(all, field(info+name, fieldKey{shape: reflect.TypeFor[uint16](), overruled: "tls-min-version and tls-max-version"}))
		}
		skip := field(info+"SkipClientSANVerify", fieldKey{shape: reflect.TypeFor[bool](), overruled: section})
		skip.since = 6
		local := field(info+"LocalAddr", fieldKey{overruled: "the program"})
		local.since = 6
		all = append(all, skip, local,
			field(info+"ClientCertAuth", fieldKey{shape: reflect.TypeFor[bool](), overruled: section}),
			field(info+"HandshakeFailure", fieldKey{shape: refused, overruled: "the program"}),
			field(info+"Logger", fieldKey{shape: reflect.TypeFor[*struct{}](), overruled: "the program"}),
			field(info+"AllowedCN", fieldKey{shown: true}),
			field(info+"AllowedHostname", fieldKey{shown: true}),
			field(info+"ServerName", fieldKey{shown: true}),
			field(info+"CipherSuites", fieldKey{shape: reflect.TypeFor[[]uint16](), shown: true}),
			field(info+"InsecureSkipVerify", fieldKey{shape: reflect.TypeFor[bool](), shown: true}),
			field(info+"EmptyCN", fieldKey{shape: reflect.TypeFor[bool](), shown: true}),
		)
	}
	old := field("ClientTLSInfo.SkipClientSANVerify", fieldKey{shape: reflect.TypeFor[bool](), shown: true})
	old.until = 5
	return append(all, old)
}
