package etcdconfig

import "reflect"

// setting is one setting of etcd.
type setting struct {
	// name is that of the flag. fileOnly is set where there is no flag: name is then the
	// path of keys.
	name     string
	fileOnly bool
	kind     kind
	// def is the value of a flag that is not given. Where a file's is another one,
	// defaultsInFile has it.
	def string
	// key is the path of keys in a file, if that is not the name; "-" if a file cannot
	// express the setting.
	key string
	// since and until are the first and last minor release of etcd 3 that have it; 0 means
	// the oldest and the newest known.
	since, until int
	// valid are the values of a choice.
	valid []string
	// beyond is set where a flag counts even beside a configuration file: it sets something
	// that the file does not replace.
	beyond bool
	// secret values are not shown.
	secret bool
	// field is set for keys that are fields of embed.Config.
	field *fieldKey
}

const rotation = `{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}`

// in returns whether a release has the setting.
func (s *setting) in(r Release) bool {
	return (s.since == 0 || r.Minor >= s.since) && (s.until == 0 || r.Minor <= s.until)
}

// path is where a file has the setting; "" if it cannot express it.
func (s *setting) path() string {
	switch s.key {
	case "":
		return s.name
	case "-":
		return ""
	}
	return s.key
}

// rules are the settings of a release. They are never changed.
type rules struct {
	release  Release
	settings []setting
	byName   map[string]*setting
	// file has the keys of a configuration file, and shape the struct that they fill.
	file  *key
	shape reflect.Type
}

// settingsOf returns the settings of a release.
func settingsOf(r Release) []setting {
	var all []setting
	for _, group := range [][]setting{general(), security(), discovery(), tuning(), experimental(), undocumented()} {
		for _, s := range group {
			if s.in(r) {
				all = append(all, s)
			}
		}
	}
	return all
}

// rulesOf returns the rules of a release.
func rulesOf(r Release) *rules {
	all := &rules{release: r, settings: settingsOf(r), byName: map[string]*setting{}}
	for i := range all.settings {
		all.byName[all.settings[i].name] = &all.settings[i]
	}
	all.file = all.keys()
	// As in embed.configYAML, the fields are those of an embedded struct. The YAML library
	// turns numbers into text where a field wants text, but not across an embedded struct.
	all.shape = reflect.StructOf([]reflect.StructField{{Name: "Config", Type: all.file.shape(), Anonymous: true}})
	return all
}

// defaultsInFile are the defaults of a release that a configuration file changes: the
// file is laid over embed.NewConfig, and some flags have defaults of their own.
func defaultsInFile(r Release) map[string]string {
	if r.Minor > 5 {
		return map[string]string{"v2-deprecation": "write-only"}
	}
	return map[string]string{
		"v2-deprecation":                                "not-yet",
		"tls-min-version":                               "",
		"auto-compaction-mode":                          "",
		"auto-compaction-retention":                     "",
		"experimental-distributed-tracing-address":      "",
		"experimental-distributed-tracing-service-name": "",
	}
}

func general() []setting {
	// The undocumented maps come first: of two keys that differ in case only, encoding/json
	// takes the first for a spelling that is neither.
	return []setting{
		{name: "CORS", fileOnly: true, kind: text, field: &fieldKey{shape: reflect.TypeFor[map[string]struct{}](), feeds: "cors"}},
		{name: "HostWhitelist", fileOnly: true, kind: text, field: &fieldKey{shape: reflect.TypeFor[map[string]struct{}](), feeds: "host-whitelist"}},
		{name: "config-file", kind: text, key: "-"},
		{name: "version", kind: boolean, def: "false", key: "-"},
		{name: "name", kind: text, def: "default"},
		{name: "data-dir", kind: text},
		{name: "wal-dir", kind: text},
		{name: "listen-peer-urls", kind: urls, def: "http://localhost:2380"},
		{name: "listen-client-urls", kind: urls, def: "http://localhost:2379"},
		{name: "listen-client-http-urls", kind: urls},
		{name: "listen-metrics-urls", kind: urls},
		{name: "initial-advertise-peer-urls", kind: urls, def: "http://localhost:2380"},
		{name: "advertise-client-urls", kind: urls, def: "http://localhost:2379"},
		{name: "initial-cluster", kind: text, def: "default=http://localhost:2380"},
		{name: "initial-cluster-token", kind: text, def: "etcd-cluster"},
		{name: "initial-cluster-state", kind: choice, def: "new", valid: []string{"new", "existing"}},
		{name: "force-new-cluster", kind: boolean, def: "false"},
		{name: "strict-reconfig-check", kind: boolean, def: "true"},
		{name: "pre-vote", kind: boolean, def: "true"},
		{name: "cors", kind: origins, def: "*"},
		{name: "host-whitelist", kind: set, def: "*"},
		{name: "logger", kind: text, def: "zap"},
		{name: "log-outputs", kind: set, def: "default"},
		{name: "log-level", kind: text, def: "info"},
		{name: "log-format", kind: text, def: "json", since: 6},
		{name: "enable-log-rotation", kind: boolean, def: "false"},
		{name: "log-rotation-config-json", kind: text, def: rotation},
		{name: "enable-pprof", kind: boolean, def: "false"},
		{name: "metrics", kind: text, def: "basic"},
		{name: "enable-grpc-gateway", kind: boolean, def: "true"},
		{name: "unsafe-no-fsync", kind: boolean, def: "false"},
		{name: "auth-token", kind: text, def: "simple"},
		{name: "auth-token-ttl", kind: natural, def: "300"},
		{name: "bcrypt-cost", kind: natural, def: "10"},
		{name: "feature-gates", kind: gates, since: 6, until: 6, valid: []string{
			"AllAlpha", "AllBeta", "CompactHashCheck", "InitialCorruptCheck", "LeaseCheckpoint",
			"LeaseCheckpointPersist", "SetMemberLocalAddr", "StopGRPCServiceOnDefrag", "TxnModeWriteWithSharedBuffer",
		}},
		{name: "feature-gates", kind: gates, since: 7, valid: []string{
			"AllAlpha", "AllBeta", "CompactHashCheck", "FastLeaseKeepAlive", "InitialCorruptCheck", "LeaseCheckpoint",
			"LeaseCheckpointPersist", "PriorityRequest", "SetMemberLocalAddr", "StopGRPCServiceOnDefrag", "TxnModeWriteWithSharedBuffer",
		}},
		{name: "v2-deprecation", kind: choices, until: 5, valid: []string{
			"not-yet", "write-only", "write-only-skip-check", "write-only-drop-data", "gone",
		}},
		{name: "v2-deprecation", kind: choices, since: 6, valid: []string{
			"write-only", "write-only-skip-check", "write-only-drop-data", "gone",
		}},
		{name: "enable-v2", kind: boolean, def: "false", until: 5},
		{name: "proxy", kind: choice, def: "off", until: 5, valid: []string{"off", "readonly", "on"}, beyond: true},
		{name: "proxy-failure-wait", kind: natural, def: "5000", until: 5, beyond: true},
		{name: "proxy-refresh-interval", kind: natural, def: "30000", until: 5, beyond: true},
		{name: "proxy-dial-timeout", kind: natural, def: "1000", until: 5, beyond: true},
		{name: "proxy-write-timeout", kind: natural, def: "5000", until: 5, beyond: true},
		{name: "proxy-read-timeout", kind: natural, def: "0", until: 5, beyond: true},
	}
}

func security() []setting {
	const client, peer = "client-transport-security.", "peer-transport-security."
	return []setting{
		{name: "cert-file", kind: text, key: client + "cert-file"},
		{name: "key-file", kind: text, key: client + "key-file"},
		{name: "client-cert-file", kind: text, key: client + "client-cert-file"},
		{name: "client-key-file", kind: text, key: client + "client-key-file"},
		{name: "client-cert-auth", kind: boolean, def: "false", key: client + "client-cert-auth"},
		{name: "trusted-ca-file", kind: text, key: client + "trusted-ca-file"},
		{name: "auto-tls", kind: boolean, def: "false", key: client + "auto-tls"},
		{name: client + "allowed-cn", fileOnly: true, kind: list},
		{name: "client-cert-allowed-hostname", kind: list, key: client + "allowed-hostname"},
		{name: client + "skip-client-san-verification", fileOnly: true, kind: boolean, def: "false", since: 6},
		// No documented key sets a revocation list. This one is the name of a field of
		// embed.Config, which encoding/json accepts because the field has no tag.
		{name: "client-crl-file", kind: text, key: "ClientTLSInfo.CRLFile"},
		{name: "peer-cert-file", kind: text, key: peer + "cert-file"},
		{name: "peer-key-file", kind: text, key: peer + "key-file"},
		{name: "peer-client-cert-file", kind: text, key: peer + "client-cert-file"},
		{name: "peer-client-key-file", kind: text, key: peer + "client-key-file"},
		{name: "peer-client-cert-auth", kind: boolean, def: "false", key: peer + "client-cert-auth"},
		{name: "peer-trusted-ca-file", kind: text, key: peer + "trusted-ca-file"},
		{name: "peer-auto-tls", kind: boolean, def: "false", key: peer + "auto-tls"},
		{name: "peer-cert-allowed-cn", kind: list, key: peer + "allowed-cn"},
		{name: "peer-cert-allowed-hostname", kind: list, key: peer + "allowed-hostname"},
		{name: "peer-skip-client-san-verification", kind: boolean, def: "false", key: peer + "skip-client-san-verification", since: 6},
		{name: "experimental-peer-skip-client-san-verification", kind: boolean, def: "false", key: "PeerTLSInfo.SkipClientSANVerify", until: 5},
		{name: "experimental-peer-skip-client-san-verification", kind: boolean, def: "false", since: 6, until: 6},
		{name: "peer-crl-file", kind: text, key: "PeerTLSInfo.CRLFile"},
		{name: "self-signed-cert-validity", kind: natural, def: "1"},
		{name: "cipher-suites", kind: list},
		{name: "tls-min-version", kind: text, def: "TLS1.2"},
		{name: "tls-max-version", kind: text},
	}
}

func discovery() []setting {
	const config = "discovery-config."
	const client = config + "client."
	return []setting{
		{name: "discovery", kind: text, until: 6, secret: true},
		{name: "discovery-proxy", kind: text, until: 6, secret: true},
		{name: "discovery-fallback", kind: choice, def: "proxy", until: 5, valid: []string{"proxy", "exit"}, beyond: true},
		{name: "discovery-fallback", kind: choice, def: "exit", since: 6, valid: []string{"exit", "proxy"}, key: "-"},
		{name: "discovery-srv", kind: text},
		{name: "discovery-srv-name", kind: text},
		{name: "discovery-endpoints", kind: set, key: client + "endpoints", since: 6},
		{name: "discovery-token", kind: text, key: config + "token", since: 6, secret: true},
		{name: "discovery-dial-timeout", kind: duration, def: "2s", key: client + "dial-timeout", since: 6},
		{name: "discovery-request-timeout", kind: duration, def: "5s", key: client + "request-timeout", since: 6},
		{name: "discovery-keepalive-time", kind: duration, def: "2s", key: client + "keepalive-time", since: 6},
		{name: "discovery-keepalive-timeout", kind: duration, def: "6s", key: client + "keepalive-timeout", since: 6},
		{name: "discovery-insecure-transport", kind: boolean, def: "true", key: client + "secure.insecure-transport", since: 6},
		{name: "discovery-insecure-skip-tls-verify", kind: boolean, def: "false", key: client + "secure.insecure-skip-tls-verify", since: 6},
		{name: "discovery-cert", kind: text, key: client + "secure.cert", since: 6},
		{name: "discovery-key", kind: text, key: client + "secure.key", since: 6},
		{name: "discovery-cacert", kind: text, key: client + "secure.cacert", since: 6},
		{name: client + "secure.server-name", fileOnly: true, kind: text, since: 6},
		{name: "discovery-user", kind: text, key: client + "auth.username", since: 6, secret: true},
		{name: "discovery-password", kind: text, key: client + "auth.password", since: 6, secret: true},
		{name: client + "auth.token", fileOnly: true, kind: text, since: 7, secret: true},
		{name: client + "max-request-bytes", fileOnly: true, kind: integer, def: "0", since: 6},
		{name: client + "max-recv-bytes", fileOnly: true, kind: integer, def: "0", since: 6},
	}
}

func tuning() []setting {
	return []setting{
		{name: "snapshot-count", kind: natural64, def: "100000", until: 5},
		{name: "snapshot-count", kind: natural64, def: "10000", since: 6},
		{name: "snapshot-catchup-entries", kind: natural64, def: "5000", since: 6},
		{name: "max-snapshots", kind: natural, def: "5"},
		{name: "max-wals", kind: natural, def: "5"},
		{name: "heartbeat-interval", kind: natural, def: "100"},
		{name: "election-timeout", kind: natural, def: "1000"},
		{name: "initial-election-tick-advance", kind: boolean, def: "true"},
		{name: "backend-batch-interval", kind: duration, def: "0s"},
		{name: "backend-batch-limit", kind: integer, def: "0"},
		{name: "backend-bbolt-freelist-type", kind: text},
		{name: "quota-backend-bytes", kind: integer64, def: "0"},
		{name: "max-txn-ops", kind: natural, def: "128"},
		{name: "max-request-bytes", kind: natural, def: "1572864"},
		{name: "max-concurrent-streams", kind: natural32, def: "4294967295"},
		{name: "grpc-keepalive-min-time", kind: duration, def: "5s"},
		{name: "grpc-keepalive-interval", kind: duration, def: "2h0m0s"},
		{name: "grpc-keepalive-timeout", kind: duration, def: "20s"},
		{name: "socket-reuse-port", kind: boolean, def: "false", key: "socket-options.reuse-port"},
		{name: "socket-reuse-address", kind: boolean, def: "false", key: "socket-options.reuse-address"},
		{name: "raft-read-timeout", kind: duration, def: "5s", key: "-", beyond: true},
		{name: "raft-write-timeout", kind: duration, def: "5s", key: "-", beyond: true},
		{name: "auto-compaction-mode", kind: text, def: "periodic"},
		{name: "auto-compaction-retention", kind: text, def: "0"},
		{name: "corrupt-check-time", kind: duration, def: "0s", since: 6},
		{name: "compact-hash-check-time", kind: duration, def: "1m0s", since: 6},
		{name: "compaction-batch-limit", kind: integer, def: "0", since: 6},
		{name: "compaction-sleep-interval", kind: duration, def: "0s", since: 6},
		{name: "watch-progress-notify-interval", kind: duration, def: "0s", since: 6},
		{name: "warning-apply-duration", kind: duration, def: "100ms", since: 6},
		{name: "warning-unary-request-duration", kind: duration, def: "0s", since: 6, until: 6},
		{name: "warning-unary-request-duration", kind: duration, def: "300ms", since: 7},
		{name: "bootstrap-defrag-threshold-megabytes", kind: natural, def: "0", since: 6},
		{name: "max-learners", kind: integer, def: "1", since: 6},
		{name: "downgrade-check-time", kind: duration, def: "5s", since: 6},
		{name: "memory-mlock", kind: boolean, def: "false", since: 6},
		{name: "enable-distributed-tracing", kind: boolean, def: "false", since: 6},
		{name: "distributed-tracing-address", kind: text, def: "localhost:4317", since: 6},
		{name: "distributed-tracing-service-name", kind: text, def: "etcd", since: 6},
		{name: "distributed-tracing-instance-id", kind: text, since: 6},
		{name: "distributed-tracing-sampling-rate", kind: integer, def: "0", since: 6},
	}
}
