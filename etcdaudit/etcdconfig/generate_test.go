package etcdconfig

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes inputs that are mostly right, as an operator's are, and wrong in the
// ways that operators' are.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64, number int) generator {
	return generator{rand.New(rand.NewPCG(seed, uint64(number)))}
}

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

// chance is true in one of n cases.
func (g generator) chance(n int) bool { return g.IntN(n) == 0 }

// paths are the keys of all releases, of which some are in one only.
func paths() (all []*setting) {
	for minor := oldestMinor; minor <= newestMinor; minor++ {
		for _, s := range settingsOf(Release{3, minor}) {
			if s.path() != "" && s.name != "logger" && !strings.HasPrefix(s.name, "proxy") && s.name != "discovery-fallback" {
				all = append(all, &s)
			}
		}
	}
	return all
}

// generateFiles returns configuration files.
func generateFiles(seed uint64, number int) []string {
	all, files := paths(), make([]string, number)
	for i := range files {
		files[i] = generateFile(newGenerator(seed, i), all)
	}
	return files
}

func generateFile(g generator, all []*setting) string {
	if g.chance(100) {
		return g.one("", "null\n", "[]\n", "a text\n", "a: [b\n", "a:\tb\n", "\tname: x\n", "{name: json, pre-vote: false}\n",
			`{"name": "json", "cipher-suites": ["TLS_AES_128_GCM_SHA256"]}`, "name: a\n---\nname: b\n", "name: &a [*a]\n", "? [a, b]\n: c\n", "1: one\ntrue: yes\n")
	}
	sections := map[string][]string{}
	order := []string{""}
	for range 1 + g.IntN(7) {
		s := all[g.IntN(len(all))]
		// Half of the keys are the ones that matter most.
		if g.chance(2) {
			for !strings.Contains(s.path(), "tls") && !strings.Contains(s.path(), "transport") && !strings.Contains(s.path(), "url") && s.name != "cipher-suites" {
				s = all[g.IntN(len(all))]
			}
		}
		if s.field != nil && !g.chance(4) {
			continue
		}
		section, name := "", s.path()
		if i := strings.LastIndex(name, "."); i >= 0 {
			section, name = name[:i], name[i+1:]
		}
		if g.chance(12) {
			section = g.one("", "client-transport-security", "peer-transport-security")
		}
		if g.chance(30) {
			name = g.one("unknown", "client-crl-file", "config-file", "peer-"+name, strings.TrimPrefix(name, "peer-"))
		}
		if _, known := sections[section]; !known && section != "" {
			order = append(order, section)
		}
		times := 1
		if g.chance(15) {
			times = 2
		}
		for range times {
			sections[section] = append(sections[section], g.spelling(name)+": "+g.fileValue(s))
		}
	}
	var b strings.Builder
	for _, section := range order {
		g.writeSection(&b, section, sections[section])
	}
	return b.String()
}

// spelling returns a key, sometimes in another letter case.
func (g generator) spelling(name string) string {
	switch g.IntN(40) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return strings.ToUpper(name[:1]) + name[1:]
	case 2:
		return strings.ReplaceAll(name, "k", "\u212a") // a Kelvin sign, which folds to k
	case 3:
		return "\"" + name + "\""
	}
	return name
}

// writeSection writes keys below a path, which may be nested, as a block or in braces.
func (g generator) writeSection(b *strings.Builder, section string, keys []string) {
	indent := ""
	if section != "" {
		for name := range strings.SplitSeq(section, ".") {
			fmt.Fprintf(b, "%s%s:", indent, g.spelling(name))
			indent += "  "
			if strings.HasSuffix(section, name) {
				break
			}
			b.WriteString("\n")
		}
		switch {
		case g.chance(25):
			b.WriteString(" " + g.one("null", "text", "[]", "{}", "") + "\n")
			return
		case g.chance(8):
			fmt.Fprintf(b, " {%s}\n", strings.Join(keys, ", "))
			return
		case g.chance(7):
			b.WriteString(" &anchor\n")
		default:
			b.WriteString("\n")
		}
	}
	for _, key := range keys {
		b.WriteString(indent + key + g.one("", "", " # comment") + "\n")
	}
	if section == "client-transport-security" && g.chance(8) {
		b.WriteString(g.one("peer-transport-security: *anchor\n", "peer-transport-security:\n  <<: *anchor\n  cert-file: own\n",
			"peer-transport-security:\n  cert-file: own\n  <<: *anchor\n", "Client-Transport-Security:\n  key-file: other\n"))
	}
}

// fileValue returns a value in YAML, in one of eight cases of a type that may be wrong.
func (g generator) fileValue(s *setting) string {
	if g.chance(8) {
		return g.one("null", "~", "", "text", "'quoted'", "\"\"", "12", "-1", "1.5", "1e3", "0x10", "0o17", "1_000", "true", "yes", "off", "[]", "[a, b]", "{}", "{a: b}",
			"2026-11-27", "99999999999999999999", ".inf", "!!str 12", "!!binary aGk=", "|\n    text", "[null]", "[1, true]")
	}
	if s.field != nil && s.field.shape != nil {
		return g.fieldValue(s)
	}
	switch s.kind {
	case boolean:
		return g.one("true", "false", "True", "yes", "no", "on")
	case natural, natural32, natural64, integer, integer64:
		return g.one("0", "1", "5", "100", "500", "1000", "2000", "60000", "4294967296")
	case duration:
		return g.one("0", "1", "5000000000", "600000000000")
	case urls:
		return g.one(g.urls(), g.urls(), g.urls(), "\""+g.urls()+"\"", "["+g.urls()+"]")
	case list, set:
		return g.listValue(s)
	case origins:
		return g.one("\"*\"", "http://a:1", "\"http://b:2,http://a:1\"")
	case gates:
		return g.one("InitialCorruptCheck=true", "\"CompactHashCheck=true,LeaseCheckpoint=false\"", "LeaseCheckpointPersist=true",
			"\"LeaseCheckpoint=true, LeaseCheckpointPersist=1\"", "FastLeaseKeepAlive=false", "Nothing=true", "InitialCorruptCheck")
	}
	return g.textValue(s.name)
}

func (g generator) listValue(s *setting) string {
	if s.name == "host-whitelist" {
		return g.one("\"*\"", "a.example", "\"b,a\"")
	}
	if s.name == "log-outputs" {
		return g.one("[stderr]", "[stdout, stderr]", "[default]", "[default, stderr]", "[]")
	}
	return g.one("[]", "[TLS_AES_128_GCM_SHA256]", "[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, unknown]", "\n  - b\n  - a", "a", "[\"\"]")
}

func (g generator) textValue(name string) string {
	switch {
	case strings.Contains(name, "tls-m"):
		return g.one("TLS1.2", "TLS1.3", "TLS1.2", "TLS1.1", "\"\"")
	case name == "log-level":
		return g.one("debug", "info", "INFO", "warn", "warning", "error", "fatal", "trace")
	case name == "log-format":
		return g.one("json", "console", "text")
	case name == "log-rotation-config-json":
		return g.one("'{}'", "'{\"maxsize\": 1}'", "'{\"maxsize\": \"1\"}'", "'{'")
	case name == "auto-compaction-mode":
		return g.one("periodic", "revision", "other", "\"\"")
	case name == "initial-cluster-state":
		return g.one("new", "existing", "other", "\"\"")
	case name == "initial-cluster":
		return g.one("default=http://localhost:2380", "a=http://192.0.2.1:2380", "\"\"")
	case strings.HasPrefix(name, "discovery"):
		return g.one("https://discovery.example/1", "etcd.example", "\"\"")
	}
	return g.one("/etc/etcd/file.pem", "name", "\"\"", "a b", "'1'", "8h")
}

// fieldValue is for keys that are fields of embed.Config.
func (g generator) fieldValue(s *setting) string {
	switch {
	case strings.HasSuffix(s.name, "Urls"):
		return g.one("[{Scheme: https, Host: \"192.0.2.1:1\"}]", "[{host: \"192.0.2.1:2\"}]", "[{}, {Scheme: http, Host: \"192.0.2.1:3\"}]", "[http://192.0.2.1:1]", "null")
	case s.name == "CORS" || s.name == "HostWhitelist":
		return g.one("{a: {}}", "{}", "null", "[a]")
	}
	return g.one("true", "[1, 2]", "[a]", "{}", "{a: true}", "771", "null", "null")
}

// urls returns addresses, in one of forty cases wrong in a way that ends etcd's process.
func (g generator) urls() string {
	if g.chance(40) {
		return g.one("127.0.0.1:2379", "http://127.0.0.1", "http://127.0.0.1:1/path", "ftp://127.0.0.1:1", "http://%zz", "\"http://a:1 ,\"")
	}
	all := make([]string, 1+g.IntN(3)/2)
	for i := range all {
		all[i] = g.one("http", "https", "https") + "://" + g.one("127.0.0.1", "0.0.0.0", "192.0.2.7", "localhost", "[::1]", "192.0.2.7", "127.0.0.1", g.one("etcd.example", "", "127.0.0.1")) + ":" + g.one("2379", "2380", "1")
		if g.chance(15) {
			all[i] = g.one("unix:///run/etcd.sock", "unixs://127.0.0.1:1", "unix://run/etcd.sock")
		}
	}
	return strings.Join(all, g.one(",", ",", ", "))
}
