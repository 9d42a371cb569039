package etcdconfig

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealproof/sealproof/test/cluster"
)

// startup is one start of etcd.
type startup struct {
	args, env []string
	file      string
}

func (s startup) String() string {
	return fmt.Sprintf("etcd %s\nenvironment %q\nfile:\n%s", strings.Join(s.args, " "), s.env, s.file)
}

// starts generates one start of a release.
type starts struct {
	generator
	*rules
	files cluster.CertFiles
}

// written is one setting that the start gives.
type written struct{ name, text string }

func (s starts) generate() startup {
	settings := s.addresses()
	for _, prefix := range []string{"", "peer-"} {
		settings = append(settings, s.tls(prefix)...)
	}
	for range s.IntN(6) {
		if name, text := s.other(); text != "" {
			settings = append(settings, written{name, text})
		}
	}
	switch s.IntN(5) {
	case 0, 1:
		return s.inFile(settings)
	case 2:
		return s.onCommandLine(settings, 0)
	}
	return s.onCommandLine(settings, 3)
}

// addresses are such that many etcds can run at once: the kernel chooses the ports.
func (s starts) addresses() []written {
	scheme := func() string { return s.one("http", "https", "https") }
	client := scheme() + "://" + s.one("127.0.0.1", "localhost", "0.0.0.0") + ":0"
	if s.chance(5) {
		client += "," + scheme() + "://127.0.0.2:0"
	}
	peer := scheme() + "://127.0.0.1:0"
	all := []written{
		{"listen-client-urls", client}, {"advertise-client-urls", "https://192.0.2.1:2379"},
		{"listen-peer-urls", peer}, {"initial-advertise-peer-urls", peer},
	}
	name := "default"
	if s.chance(2) {
		name = "etcd-a"
		all = append(all, written{"name", name})
	}
	// Without a name it stands in the default: that is not the address.
	if name == "default" || s.chance(2) {
		all = append(all, written{"initial-cluster", name + "=" + peer})
	}
	if s.chance(3) {
		all = append(all, written{"listen-metrics-urls", scheme() + "://127.0.0.1:0"})
	}
	if s.chance(4) {
		all = append(all, written{"listen-client-http-urls", scheme() + "://" + s.one("127.0.0.3:0", "127.0.0.1:0")})
	}
	if s.chance(30) {
		all[s.IntN(4)].text = s.one("http://:1", "127.0.0.1:0", "http://127.0.0.1", "http://127.0.0.1:0/x", "http://:0", "ftp://127.0.0.1:0")
	}
	if s.chance(25) {
		all = slices.Delete(all, 1, 2)
	}
	return all
}

// tls are settings of one section: most are complete.
func (s starts) tls(prefix string) []written {
	var all []written
	add := func(chance int, name, text string) {
		if s.IntN(100) < chance {
			all = append(all, written{prefix + name, text})
		}
	}
	if !s.chance(12) {
		add(98, "cert-file", s.files.Cert)
		add(98, "key-file", s.files.Key)
	}
	add(40, "trusted-ca-file", s.files.CA)
	add(40, "client-cert-auth", s.one("true", "false"))
	add(12, "auto-tls", s.one("true", "false"))
	if s.chance(12) {
		add(90, "client-cert-file", s.files.Cert)
		add(90, "client-key-file", s.files.Key)
	}
	if prefix == "" {
		prefix = "client-"
	}
	add(10, "crl-file", s.files.CA)
	add(8, "cert-allowed-hostname", s.one("a.example", "a.example,b.example"))
	if prefix == "peer-" {
		add(8, "cert-allowed-cn", s.one("a", "a,b"))
	}
	return all
}

// other returns a setting that changes little of what the process does.
func (s starts) other() (name, text string) {
	of := &s.settings[s.IntN(len(s.settings))]
	for _, part := range []string{
		"url", "tls-", "-tls", "cert", "key-file", "trusted", "crl", "discovery", "proxy", "log", "config", "version", "initial-cluster", "name", "dir",
		"tracing", "mlock", "force", "v2", "wal", "auth", "CORS", "Whitelist", "TLSInfo", "Feature", "Flags", "options", "Logger", "transport-security", "feature-gates",
		"self-signed", "lease", "raft", "max-request", "quota",
	} {
		if strings.Contains(of.name, part) {
			return s.chosen()
		}
	}
	switch of.kind {
	case boolean:
		return of.name, s.one("true", "false", "1", "T")
	case duration:
		return of.name, s.one("5s", "1m", "10s", "1h", "5s", "5")
	case natural, natural32, natural64, integer, integer64:
		return of.name, map[string]string{"heartbeat-interval": s.one("50", "100", "500"), "election-timeout": s.one("1000", "2000", "60000")}[of.name] + s.many(of.name)
	}
	return s.chosen()
}

// many is a number that does no harm where it counts something.
func (s starts) many(name string) string {
	if name == "heartbeat-interval" || name == "election-timeout" {
		return ""
	}
	return s.one("10", "1000", "0x400", "1_000", "20", "30", "-1")
}

// chosen returns a setting whose values need to be known.
func (s starts) chosen() (name, text string) {
	name = s.one("tls-min-version", "tls-max-version", "cipher-suites", "log-level", "cors", "host-whitelist", "auto-compaction-mode",
		"auto-compaction-retention", "feature-gates", "v2-deprecation", "discovery-cert", "initial-cluster-token", "log-outputs", "wal-dir",
		"self-signed-cert-validity", "experimental-corrupt-check-time", "corrupt-check-time", "initial-cluster-state", "unknown-flag", "enable-v2")
	text = map[string]string{
		"tls-min-version": s.one("TLS1.2", "TLS1.3", "TLS1.1"), "tls-max-version": s.one("TLS1.2", "TLS1.3", "TLS1.3"),
		"cipher-suites":        s.one("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_RSA", ""),
		"log-level":            s.one("info", "debug", "loud"),
		"cors":                 s.one("*", "http://a:1", "http://b:2,http://a:1", "a"),
		"host-whitelist":       s.one("*", "b,a", "a"),
		"auto-compaction-mode": s.one("periodic", "revision", "other"), "auto-compaction-retention": s.one("1", "5m", "0", "x"),
		"feature-gates":  s.one("InitialCorruptCheck=true", "LeaseCheckpoint=true,CompactHashCheck=true", "LeaseCheckpointPersist=true", "Nothing=true"),
		"v2-deprecation": s.one("write-only", "write-only", "not-yet", "other"),
		"discovery-cert": "/c", "initial-cluster-token": "t", "log-outputs": s.one("stdout", "stderr", "stdout,stderr", "default,stderr"),
		"wal-dir": "w", "self-signed-cert-validity": s.one("1", "0"), "experimental-corrupt-check-time": "1h", "corrupt-check-time": "2h",
		"initial-cluster-state": s.one("new", "other"), "unknown-flag": s.one("", "x"), "enable-v2": "false",
	}[name]
	return name, text
}

// onCommandLine gives settings by flags, and one of n by a variable; 0 for none.
func (s starts) onCommandLine(settings []written, n int) (start startup) {
	s.Shuffle(len(settings), func(i, j int) { settings[i], settings[j] = settings[j], settings[i] })
	for _, w := range settings {
		known := s.byName[w.name]
		if known == nil && !s.chance(8) {
			continue
		}
		again := slices.ContainsFunc(start.env, func(e string) bool { return strings.HasPrefix(e, variableOf(w.name)+"=") })
		if n > 0 && s.chance(n) && !again { // os/exec keeps the last of two, Go itself the first
			start.env = append(start.env, variableOf(w.name)+"="+w.text)
			if !s.chance(40) {
				continue
			}
		}
		start.args = append(start.args, s.flag(w, known)...)
	}
	if s.chance(25) {
		i := s.IntN(len(start.args) + 1)
		start.args = slices.Insert(start.args, i, s.one("true", "--", "-", "--snapshot", "--config", "--force=x", "---name=a", "--=a"))
	}
	if n > 0 && s.chance(3) {
		start.env = append(start.env, s.one("ETCD_UNKNOWN=x", "ETCD_VERSION=1", "ETCD_PRE_VOTE=", "ETCD_SNAPSHOT=1", "ETCDCTL_API=3"))
	}
	return start
}

// flag writes a flag in one of the ways that package flag reads.
func (s starts) flag(w written, known *setting) []string {
	dashes := s.one("--", "--", "-")
	switch {
	case known != nil && known.kind == boolean && w.text == "true" && s.chance(2):
		return []string{dashes + w.name}
	case known != nil && known.kind == boolean && s.chance(30):
		return []string{dashes + w.name, w.text}
	case known != nil && known.kind != boolean && s.chance(3):
		return []string{dashes + w.name, w.text}
	}
	return []string{dashes + w.name + "=" + w.text}
}

// inFile gives settings by a file, with flags beside it that have no effect.
func (s starts) inFile(settings []written) (start startup) {
	sections := map[string]string{}
	seen := map[string]bool{}
	for _, w := range settings {
		known := s.byName[w.name]
		if known == nil || known.path() == "" || seen[w.name] {
			continue
		}
		seen[w.name] = true
		section, name := "", known.path()
		if i := strings.LastIndex(name, "."); i >= 0 {
			section, name = name[:i], name[i+1:]
		}
		if strings.Contains(section, ".") {
			continue
		}
		if section != "" {
			if s.chance(40) { // written flat
				section = ""
			} else {
				name = "  " + name
			}
		}
		const plain = text
		text := w.text
		switch {
		case known.shape().Kind().String() == "slice":
			text = "[" + text + "]"
		case known.kind == plain, known.kind == urls, known.kind == origins, known.kind == set, known.kind == gates, known.kind == choice, known.kind == choices:
			text = "\"" + text + "\""
		case known.kind == boolean:
			text = map[string]string{"1": "true", "T": "true"}[text] + strings.Trim(text, "1T")
		case known.kind == duration:
			d, _ := time.ParseDuration(text)
			text = strconv.FormatInt(int64(d), 10)
		}
		sections[section] += name + ": " + text + "\n"
	}
	start.file = sections[""]
	delete(sections, "")
	for _, section := range []string{"client-transport-security", "peer-transport-security", "socket-options", "ClientTLSInfo", "PeerTLSInfo"} {
		if sections[section] != "" {
			start.file += section + ":\n" + sections[section]
		}
	}
	if s.chance(4) {
		start.env = []string{"ETCD_CONFIG_FILE=etcd.conf.yaml"}
	} else {
		start.args = []string{"--config-file=etcd.conf.yaml"}
	}
	if s.chance(2) {
		start.env = append(start.env, "ETCD_NAME=other", "ETCD_CERT_FILE=/none")
		start.args = append(start.args, s.one("--name=flag", "--client-cert-auth", "--trusted-ca-file=/none", "--pre-vote=x", "--no-such-flag=1"))
	}
	return start
}
