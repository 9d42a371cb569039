package files

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func strongKeys() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-506", Title: "Keys are strong, and a new key is not the old one under another name", Severity: check.Medium,
		Why:   "a key that was typed is found by trying; a short one by computing; and values under a key that was only renamed are under the old key still",
		Reads: "kind and length of every private key and of every key in an EncryptionConfiguration, whether the bytes of these are text, and which are equal; the keys themselves are not kept",
		Needs: []check.Need[facts.Facts]{need.Host, func(f facts.Facts) (check.Result, bool) {
			return check.Unevaluated("", "no key was found on this node", "run etcdaudit host as root on each node of the control plane"), len(f.Host.Keys) > 0
		}},
		Run: judgeStrength,
	}
}

func judgeStrength(f facts.Facts) (results []check.Result) {
	for i, k := range f.Host.Keys {
		r := strength(k, f.Host.Keys[:i])
		r.Target, r.Identity = term.Printable(strings.TrimSuffix(k.File+": "+k.Name, ": ")), []string{f.Host.Node, k.File, k.Name}
		r.Evidence = []check.Evidence{{Source: term.Printable(k.File), Seen: cmp.Or(k.Kind, "a private key that was not opened")}}
		results = append(results, r)
	}
	return results
}

// strength judges one key beside those before it.
func strength(k facts.Key, before []facts.Key) check.Result {
	const renew = "make a new one with head -c 32 /dev/urandom | base64, put it first, restart every API server and rewrite all Secrets"
	same := slices.IndexFunc(before, func(o facts.Key) bool { return k.Name != "" && o.Name != k.Name && o.HMAC == k.HMAC })
	switch {
	case k.Encrypted:
		r := check.Unevaluated("", "a passphrase encrypts it: nothing is known of the key", "")
		r.Expected = true
		return r
	case k.Kind == "":
		return check.Unevaluated("", "it is in a form that is not known here", "")
	case k.Weakness != "" && k.Name != "":
		return check.Failed("", k.Weakness, renew)
	case k.Weakness != "":
		return check.Failed("", k.Weakness, "issue key and certificate anew, with an ECDSA key on P-256, or RSA of 2048 bits and more")
	case same >= 0:
		return check.Failed("", "it is the same key as "+term.Printable(before[same].Name)+" in "+term.Printable(before[same].File), renew)
	case k.Doubt != "":
		return check.Warned("", k.Doubt, renew)
	}
	return check.Passed("", k.Kind)
}
