package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func nothingWithoutEffect() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-407", Title: "Nothing that was written for etcd's security is without effect", Severity: check.Medium,
		Why:   "etcd drops unknown keys of its configuration file, and every flag beside such a file, without a word: what reads like protection is none",
		Reads: "what stands in flags, environment and configuration file and is not in force, with the reason",
		Needs: []check.Need[etcd]{understood}, Run: one(judgeVoids),
	}
}

func judgeVoids(e etcd) check.Result {
	var lost, idle []string
	var evidence []check.Evidence
	others := 0
	for _, v := range e.Config.Voids {
		// An auto-tls that is not in force, as in every k3s, is no loss.
		if !aboutSecurity(v.Name) || strings.HasSuffix(v.Name, "auto-tls") {
			others++
			continue
		}
		evidence = append(evidence, check.Evidence{Source: v.Origin.Text, Seen: term.Printable(v.Name + " has no effect: " + v.Why)})
		if e.missed(v) {
			lost = append(lost, v.Name)
		} else {
			idle = append(idle, v.Name)
		}
	}
	switch {
	case len(lost) > 0:
		return with(check.Failed("", "without effect, and not set elsewhere: "+join(lost)+"; "+e.Config.Voids[e.first(lost[0])].Why, e.place(lost[0])), evidence)
	case len(idle) > 0:
		return with(check.Warned("", "without effect: "+join(idle)+"; "+e.Config.Voids[e.first(idle[0])].Why, "remove what has no effect, or write it where etcd reads it: "+e.place(idle[0])), evidence)
	case e.Config.Refused != "":
		result, _ := starts(e)
		return result
	case others > 0:
		return with(check.Passed("", fmt.Sprintf("%d settings without effect, none of which would protect anything", others)), e.all())
	}
	return with(check.Passed("", "everything that was written is in force"), e.all())
}

// all is how many settings were compared.
func (e etcd) all() []check.Evidence {
	return []check.Evidence{{Source: e.Source, Seen: fmt.Sprintf("%d settings in force, %d without effect", len(e.Config.Settings), len(e.Config.Voids))}}
}

func (e etcd) first(name string) int {
	return slices.IndexFunc(e.Config.Voids, func(v etcdconfig.Void) bool { return v.Name == name })
}

// aboutSecurity reports whether a name, as it was written, is that of a setting that
// protects something. A name that etcd does not know is judged by its words.
func aboutSecurity(name string) bool {
	name = flagOf(name)
	return slices.ContainsFunc([]string{"cert", "key-file", "keyfile", "trusted-ca", "trustedca", "tls", "cipher", "crl", "allowed", "listen-", "auth", "pprof", "transport-security"}, func(word string) bool {
		return strings.Contains(name, word)
	})
}

// flagOf is the name of a setting as a flag has it. A variable that etcd does not know
// stands under its own name.
func flagOf(name string) string {
	name = strings.ToLower(name)
	if variable, ok := strings.CutPrefix(name, "etcd_"); ok {
		return strings.ReplaceAll(variable, "_", "-")
	}
	return name
}

// missed reports whether nothing that is in force protects as the written setting would.
func (e etcd) missed(v etcdconfig.Void) bool {
	name, section := flagOf(v.Name), e.Config.Client
	auth := func() etcdconfig.Auth { return weakest(e.clients(), e.Config.ClientAuth) }
	if strings.Contains(name, "peer") {
		section = e.Config.Peer
		auth = func() etcdconfig.Auth { return weakest(e.Config.ListenPeer, e.Config.PeerAuth) }
	}
	has := func(word string) bool { return strings.Contains(name, word) }
	switch {
	case has("crl"):
		return section.CRL == ""
	case has("allowed"):
		return len(section.AllowedCNs)+len(section.AllowedHostnames) == 0
	case has("cipher"):
		return len(e.Config.CipherSuites) == 0
	case has("tls-min"):
		return e.Config.TLSMinVersion == ""
	case has("listen-"):
		return strings.Contains(strings.ToLower(v.Value), "https://") && len(plain(e.listening(name))) > 0
	case has("pprof"):
		return false
	}
	return auth() != etcdconfig.OwnCA
}

// listening are the addresses in force that a setting for some would have replaced.
func (e etcd) listening(name string) []string {
	switch {
	case strings.Contains(name, "peer"):
		return e.Config.ListenPeer
	case strings.Contains(name, "metrics"):
		return e.Config.ListenMetrics
	}
	return e.clients()
}

// weakest is what the least protected of several addresses demands.
func weakest(urls []string, auth func(string) etcdconfig.Auth) etcdconfig.Auth {
	for _, u := range urls {
		if a := auth(u); a != etcdconfig.OwnCA {
			return a
		}
	}
	return etcdconfig.OwnCA
}

// place says where a setting has an effect. No key that etcd documents for its
// configuration file sets a revocation list.
func (e etcd) place(name string) string {
	lower := flagOf(name)
	if strings.Contains(lower, "crl") && e.ConfigFile != "" {
		return "give etcd all its settings as flags, without --config-file: no documented key of that file sets a revocation list (--client-crl-file)"
	}
	if variable, ok := e.besideFlag(lower); ok {
		return "remove the variable " + variable + ": its flag is given too, and etcd takes one of them only"
	}
	flag := lower[strings.LastIndex(lower, ".")+1:]
	if strings.HasPrefix(lower, "peer-transport-security.") && !strings.HasPrefix(flag, "peer-") {
		flag = "peer-" + flag
	}
	return fix.Etcd(e.host, e.Etcd, term.Printable(flag)+"=…")
}

// besideFlag returns the variable of a setting that is given as a flag too.
func (e etcd) besideFlag(name string) (variable string, ok bool) {
	i := slices.IndexFunc(e.Config.Voids, func(v etcdconfig.Void) bool {
		return v.Origin.Kind == etcdconfig.Environment && flagOf(v.Name) == name
	})
	if i < 0 || e.ConfigFile != "" || !slices.ContainsFunc(e.Config.Settings, func(s etcdconfig.Setting) bool {
		return s.Name == name && s.Origin.Kind == etcdconfig.Flag
	}) {
		return "", false
	}
	return term.Printable(e.Config.Voids[i].Origin.Text), true
}
