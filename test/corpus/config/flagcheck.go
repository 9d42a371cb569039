package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
)

// This file is a plain flag check: it looks for a flag, its variable or a key of the same
// name, and compares the value as text. The controls of CIS 1.2.x and 2.x are written so. It
// stands beside our verdicts to show on which cases that is not enough; it is no other
// product.

// input is what a plain flag check looks at.
type input struct {
	args, env []string
	file      string
}

// value returns the text of a flag, of its variable, or of the first key with its name.
func (in input) value(name string) (string, bool) {
	for i, a := range in.args {
		if a == "--"+name {
			if i+1 < len(in.args) && !strings.HasPrefix(in.args[i+1], "-") {
				return in.args[i+1], true
			}
			return "", true
		}
		if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return v, true
		}
	}
	variable := "ETCD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "="
	for _, e := range in.env {
		if v, ok := strings.CutPrefix(e, variable); ok {
			return v, true
		}
	}
	m := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `"?:\s*"?([^\s",}]*)`).FindStringSubmatch(in.file)
	if m == nil {
		return "", false
	}
	return m[1], true
}

func (in input) has(names ...string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { _, ok := in.value(n); return !ok })
}

func (in input) text(name string) string { v, _ := in.value(name); return v }

func (in input) is(name, want string) bool { return in.text(name) == want }

func passIf(ok bool) check.Status {
	if ok {
		return check.Pass
	}
	return check.Fail
}

// etcdFlags is what the check says of an etcd, by the rules that ask the same: CIS 2.1 to
// 2.6, a list of suites, and the address of metrics.
func etcdFlags(args, env []string, file string) map[string]check.Status {
	in := input{args, env, file}
	certs := passIf(in.has("cert-file", "key-file"))                                // 2.1
	auth := passIf(in.is("client-cert-auth", "true"))                               // 2.2
	noAuto := passIf(!in.is("auto-tls", "true") && !in.is("peer-auto-tls", "true")) // 2.3, 2.6
	peers := passIf(in.has("peer-cert-file", "peer-key-file") && in.is("peer-client-cert-auth", "true"))
	unique := in.text("trusted-ca-file") != in.text("peer-trusted-ca-file") // 2.7, by path
	return map[string]check.Status{
		"EA-301": certs, "EA-403": certs,
		"EA-302": auth, "EA-303": auth, "EA-404": auth,
		"EA-316": noAuto, "EA-406": noAuto,
		"EA-307": peers, "EA-405": peers,
		"EA-317": passIf(unique),
		"EA-310": passIf(in.has("cipher-suites")), "EA-410": passIf(in.has("cipher-suites")),
		"EA-411": passIf(in.has("client-crl-file")),
		"EA-412": passIf(!in.is("enable-pprof", "true")),
		"EA-409": passIf(!strings.Contains(in.text("listen-metrics-urls"), "0.0.0.0")),
	}
}

// apiServerFlags is what the check says of an API server: CIS 1.2.1, 1.2.2, 1.2.6,
// 1.2.23 to 1.2.28, 3.2.1.
func apiServerFlags(args []string, encryption string) map[string]check.Status {
	in := input{args: args}
	line := strings.Join(args, " ")
	// 1.2.28 as it is often scripted: the line after the first "providers:".
	provider := ""
	if _, rest, ok := strings.Cut(encryption, "providers:"); ok {
		lines := strings.Split(rest, "\n")
		provider = lines[min(1, len(lines)-1)]
	}
	known := regexp.MustCompile(`aescbc|kms|secretbox`)
	return map[string]check.Status{
		"EA-421": passIf(in.has("etcd-cafile", "etcd-certfile", "etcd-keyfile")),
		"EA-423": passIf(strings.Contains(line, "--encryption-provider-config") && known.MatchString(provider)),
		"EA-424": passIf(in.has("encryption-provider-config")),
		"EA-425": passIf(in.has("authorization-mode") && !strings.Contains(in.text("authorization-mode"), "AlwaysAllow")),
		"EA-426": passIf(in.has("tls-cert-file", "tls-private-key-file") && in.has("tls-cipher-suites")),
		"EA-427": passIf(in.is("anonymous-auth", "false")),
		"EA-428": passIf(!in.has("token-auth-file")),
		"EA-429": passIf(in.has("audit-policy-file")),
	}
}
