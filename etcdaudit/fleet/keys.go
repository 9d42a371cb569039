package fleet

import (
	"maps"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// giveKey says how keys of different nodes can be compared.
const giveKey = "run etcdaudit on all nodes with the same --fingerprint-key FILE"

// hmacs returns what keys a node has in a file, in the order of the report; known is false
// where that is not known, or was made under another fingerprint key than the first node's.
func (nodes Nodes) hmacs(n Node, file string) (keys []string, known bool) {
	first := ""
	for _, other := range nodes {
		for _, k := range other.Report.PrivateKeys {
			if first == "" {
				first = k.FingerprintKey
			}
		}
	}
	for _, k := range n.Report.PrivateKeys {
		if k.File != file && !strings.HasPrefix(k.File, file+": ") { // one of several has its name behind
			continue
		}
		if k.Hmac == "" || k.FingerprintKey == "" || k.FingerprintKey != first {
			return nil, false
		}
		keys = append(keys, k.Hmac)
	}
	return keys, len(keys) > 0
}

func encryptionConfigurations() check.Rule[Nodes] {
	return check.Rule[Nodes]{
		ID: "EA-604", Title: "All API servers have the same EncryptionConfiguration", Severity: check.High,
		Why:   "what one API server writes the others have to read: one without the key answers with errors, one without the encryption writes plaintext",
		Reads: "the hash of the file on each node; where hashes differ, its rules, and the HMACs of its keys",
		Run: func(nodes Nodes) []check.Result {
			programs, apart := nodes.compared(apiServer)
			if programs == nil {
				return apart
			}
			return append(apart, nodes.encryption(programs))
		},
	}
}

func (nodes Nodes) encryption(programs []program) check.Result {
	const target, remedy = "EncryptionConfiguration", "give all API servers the same file: first all of them the keys to read with, then the one to write with"
	var hashes, rules, keys []said
	withKeys, known := false, true
	for _, p := range programs {
		e := p.config.EncryptionFile
		if e == nil {
			hashes, rules = append(hashes, said{p.node.Name, p.config.Source, ""}), append(rules, said{p.node.Name, p.config.Source, ""})
			continue
		}
		if e.Problem != "" {
			return check.Unevaluated(target, p.node.Name+": "+e.Problem, "")
		}
		hashes = append(hashes, said{p.node.Name, e.File, e.Hash})
		rules = append(rules, said{p.node.Name, e.File, rulesText(e)})
		if local(e) {
			own, ok := nodes.hmacs(p.node, e.File)
			withKeys, known = true, known && ok
			keys = append(keys, said{p.node.Name, e.File, strings.Join(own, ", ")})
		}
	}
	same := verdict(target, "the file", hashes, remedy)
	if same.Status == check.Pass {
		if programs[0].config.EncryptionFile == nil {
			same.Summary = "no API server has one"
		}
		return same
	}
	r := verdict(target, "what the file says", rules, remedy)
	switch {
	case r.Status != check.Pass:
	case !withKeys:
		r.Summary += ", as far as it has a meaning; the bytes of the files differ"
	case !known:
		r = check.Unevaluated(target, "the files differ, and say the same but for their keys, which cannot be compared", giveKey)
		r.Expected = true
	default:
		if r = verdict(target, "the set of keys", keys, remedy); r.Status == check.Pass {
			r.Summary = "rules and keys are the same; the bytes of the files differ"
		}
	}
	r.Evidence = append(r.Evidence, same.Evidence...)
	return r
}

// local reports whether the file itself holds keys.
func local(e *auditv1.EncryptionConfiguration) bool {
	return slices.ContainsFunc(e.Rules, func(r *auditv1.EncryptionRule) bool {
		return slices.ContainsFunc(r.Providers, func(p string) bool { return p != "identity" && !strings.HasPrefix(p, "kms ") })
	})
}

func rulesText(e *auditv1.EncryptionConfiguration) string {
	var all []string
	for _, r := range e.Rules {
		all = append(all, r.Resource+" by "+strings.Join(r.Providers, ", then "))
	}
	return strings.Join(all, "; ")
}

func serviceAccountKeys() check.Rule[Nodes] {
	return check.Rule[Nodes]{
		ID: "EA-607", Title: "All API servers sign service account tokens with the same key", Severity: check.High,
		Why:   "a token that one API server signs is refused by another that has a different key; and a key that differs may be a forgotten one, which still signs",
		Reads: "the HMAC of the key in --service-account-signing-key-file on each node",
		Run: func(nodes Nodes) []check.Result {
			programs, apart := nodes.compared(apiServer)
			if programs == nil {
				return apart
			}
			const target, flag = "service account key", "service-account-signing-key-file"
			var all []said
			for _, p := range programs {
				file, given := p.value(flag)
				keys, known := nodes.hmacs(p.node, file)
				if !given || !known {
					r := check.Unevaluated(target, "the key is not known on "+p.node.Name+", or not comparable", giveKey)
					r.Expected = true
					return append(apart, r)
				}
				all = append(all, said{p.node.Name, file, keys[0]})
			}
			return append(apart, verdict(target, "the key", all, "copy the key of one node to the others, and restart their API servers"))
		},
	}
}

func sharedKeys() check.Rule[Nodes] {
	return check.Rule[Nodes]{
		ID: "EA-606", Title: "Each node has certificates and keys of its own", Severity: check.Medium,
		Why:   "a key that lies on several nodes is lost with the first of them, and revoking its certificate stops all",
		Reads: "the certificates that etcd and the API servers present, with the keys found beside them, and the HMACs of those keys",
		Run:   shared,
	}
}

func shared(nodes Nodes) (results []check.Result) {
	onNodes, underKeys := map[string][]said{}, map[string]bool{}
	for _, n := range nodes {
		presented, found := n.presented(), false
		for _, c := range n.Report.Certificates {
			for _, file := range c.OnDisk {
				if presented[file] && c.HasKey && !c.Authority {
					found = true
					what := "certificate " + c.Subject + " (" + short(c.Fingerprint) + ")"
					onNodes[what] = append(onNodes[what], said{n.Name, file, c.Fingerprint})
				}
			}
		}
		for _, k := range n.Report.PrivateKeys {
			if presented[k.File] && k.Hmac != "" {
				underKeys[k.FingerprintKey] = true
				what := "key with the HMAC " + short(k.Hmac) + " under " + k.FingerprintKey
				onNodes[what] = append(onNodes[what], said{n.Name, k.File, k.Hmac})
			}
		}
		if len(presented) > 0 && !found {
			r := notCompared(n, "certificates", "no certificate with its key was found on "+n.Name+" that its etcd or API server presents")
			r.Remedy = "run etcdaudit as root"
			results = append(results, r)
		}
	}
	if len(underKeys) > 1 {
		r := check.Unevaluated("keys", "the HMACs of the nodes' keys are made with different fingerprint keys: certificates alone were compared", giveKey)
		r.Expected = true
		results = append(results, r)
	}
	several := false
	for _, what := range slices.Sorted(maps.Keys(onNodes)) {
		all := onNodes[what]
		var on []string
		for _, s := range all {
			on = append(on, s.node)
		}
		if slices.Sort(on); len(slices.Compact(on)) < 2 {
			continue
		}
		several = true
		r := verdict(what, "it", all, "")
		r.Status, r.Summary, r.Remedy = check.Fail, "it lies on "+names(on), "make a key and a certificate of its own for each node"
		results = append(results, r)
	}
	switch {
	case several:
	case len(onNodes) > 0:
		r := check.Passed("certificates and keys", "none of those that were found lies on more than one node")
		r.Identity = []string{"nodes", "certificates"}
		for _, what := range slices.Sorted(maps.Keys(onNodes)) {
			r.Evidence = append(r.Evidence, check.Evidence{Source: onNodes[what][0].node + ", " + onNodes[what][0].source, Seen: what})
		}
		results = append(results, r)
	case results == nil:
		return []check.Result{check.Inapplicable("no etcd and no API server of the nodes presents a certificate")}
	}
	return results
}

// presented returns the files of certificates and keys with which a node's programs identify
// themselves.
func (n Node) presented() map[string]bool {
	files := map[string]bool{}
	for _, c := range n.Report.Configurations {
		for _, s := range c.Settings {
			switch s.Name {
			case "cert-file", "key-file", "peer-cert-file", "peer-key-file", "tls-cert-file", "tls-private-key-file", "etcd-certfile", "etcd-keyfile",
				"kubelet-client-certificate", "kubelet-client-key":
				if s.Value != "" {
					files[s.Value] = true
				}
			}
		}
	}
	return files
}

func authorities() check.Rule[Nodes] {
	return check.Rule[Nodes]{
		ID: "EA-605", Title: "All nodes trust the same CAs", Severity: check.High,
		Why:   "a CA that one node alone trusts opens the cluster through that node, and is easily overlooked",
		Reads: "the certificates in the files that etcd and the API servers are told to trust",
		Run: func(nodes Nodes) (results []check.Result) {
			for _, of := range []struct{ program, setting string }{
				{etcd, "trusted-ca-file"}, {etcd, "peer-trusted-ca-file"}, {apiServer, "client-ca-file"}, {apiServer, "etcd-cafile"}, {apiServer, "requestheader-client-ca-file"},
			} {
				programs, apart := nodes.compared(of.program)
				results = append(results, apart...)
				var all []said
				given := false
				for _, p := range programs {
					file, _ := p.value(of.setting)
					given = given || file != ""
					trusted := p.node.certificatesIn(file)
					if file != "" && trusted == "" {
						all = nil
						results = append(results, check.Unevaluated(of.program+" --"+of.setting, "no certificate is known of "+file+" on "+p.node.Name, "run etcdaudit as root"))
						break
					}
					all = append(all, said{p.node.Name, shown(file), trusted})
				}
				switch {
				case all == nil:
				case !given:
					results = append(results, check.Inapplicable("--"+of.setting+" is set for no "+of.program))
				default:
					results = append(results, verdict(of.program+" --"+of.setting, "what it trusts", all, "give all nodes the same CA file, and find out where the other CA is from"))
				}
			}
			return distinct(results)
		},
	}
}

// distinct leaves out what was said before: that a program is on no two nodes.
func distinct(results []check.Result) (all []check.Result) {
	said := map[string]bool{}
	for _, r := range results {
		if key := r.Target + r.Reason + r.Summary; !said[key] {
			said[key] = true
			all = append(all, r)
		}
	}
	return all
}

// certificatesIn names the certificates in a file, by subject and fingerprint.
func (n Node) certificatesIn(file string) string {
	var found []string
	for _, c := range n.Report.Certificates {
		if file != "" && (slices.Contains(c.OnDisk, file) || slices.Contains(c.TrustedIn, file)) {
			found = append(found, c.Subject+" ("+short(c.Fingerprint)+")")
		}
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

// short is the beginning of a hash.
func short(hash string) string {
	hash = strings.TrimPrefix(hash, "sha256:")
	return hash[:min(16, len(hash))]
}
