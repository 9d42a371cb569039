package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// cells is one line: a certificate, key, protocol, suite, group or provider.
type cells struct {
	kind, node, where, name, algorithm, from, until, days, id, postQuantum, note string
}

// CSV writes an inventory of the cryptography that was found, a line for each certificate, key,
// version of TLS, suite, group and way of encrypting values. A text that a spreadsheet would
// take for a formula begins with an apostrophe.
func CSV(w io.Writer, r *auditv1.Report) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{
		"type", "node", "where", "name", "algorithm", "valid_from", "valid_until", "days_left", "id", "post_quantum", "note",
	}); err != nil {
		return err
	}
	for _, c := range inventoryOf(r) {
		if err := out.Write([]string{
			c.kind, cell(c.node), cell(c.where), cell(c.name), cell(c.algorithm), c.from, c.until, c.days, cell(c.id), c.postQuantum, cell(c.note),
		}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// cell keeps a name that was chosen elsewhere from being run as a formula
// (https://owasp.org/www-community/attacks/CSV_Injection).
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func inventoryOf(r *auditv1.Report) (all []cells) {
	for _, c := range r.Certificates {
		line := cells{
			kind: "certificate", where: strings.Join(distinct(c.ServedAt, c.OnDisk, c.TrustedIn), "; "), name: c.Subject, algorithm: c.PublicKey,
			from: day(c.NotBefore), until: day(c.NotAfter), id: c.Fingerprint, postQuantum: quantumOf(c.PublicKey).String(),
			note: "issuer " + c.Issuer + "; signed with " + c.SignatureAlgorithm,
		}
		if now := madeAt(r); !now.IsZero() && c.NotAfter != nil {
			line.days = strconv.Itoa(daysLeft(now, c.NotAfter))
		}
		if c.Authority {
			line.note += "; may sign others"
		}
		if c.HasKey {
			line.note += "; its private key is on the host"
		}
		all = append(all, line)
	}
	for _, k := range r.PrivateKeys {
		line := cells{
			kind: "private key", node: k.Node, where: k.File, algorithm: k.Kind, id: k.Hmac,
			postQuantum: quantumOf(k.Kind).String(), note: "mode " + k.Mode + ", uid " + strconv.Itoa(int(k.Uid)),
		}
		if key, ok := secretOf(k.Kind); ok {
			line.kind, line.name, line.algorithm, line.postQuantum = "secret key", k.Kind, key.algorithm, key.quantum.String()
		}
		if k.Weakness != "" {
			line.note += "; " + k.Weakness
		}
		if k.Encrypted {
			line.note += "; encrypted by a passphrase"
		}
		all = append(all, line)
	}
	for _, l := range r.Listeners {
		all = append(all, served(l)...)
	}
	for _, s := range r.Scopes {
		for _, res := range s.Resources {
			for _, g := range res.Groups {
				if g.Protection != auditv1.Protection_PROTECTION_ENCRYPTED {
					continue
				}
				rest := atRestOf(g.Format)
				all = append(all, cells{
					kind: "encryption at rest", node: s.Node, where: s.Id, name: strings.TrimSpace(g.Format + " " + g.Name), algorithm: rest.algorithm, id: g.KeyId,
					postQuantum: rest.quantum.String(), note: fmt.Sprintf("%s: %d values", res.Resource, g.Values),
				})
			}
		}
	}
	return all
}

// served is what one address spoke.
func served(l *auditv1.Listener) (all []cells) {
	tried := "came up"
	if l.Enumerated {
		tried = "all were tried"
	}
	note := l.Purpose + " address, " + tried
	readiness, groups := offered(l)
	if len(l.TlsVersions) > 0 {
		all = append(all, cells{
			kind: "address", node: l.Node, where: l.Url, name: strings.TrimSpace("etcd " + l.Version), postQuantum: map[string]string{"offered": "yes", "not offered": "no"}[readiness],
			note: strings.TrimSpace("post-quantum key exchange " + readiness + " " + strings.Join(groups, " ")),
		})
	}
	for _, v := range l.TlsVersions {
		all = append(all, cells{kind: "protocol", node: l.Node, where: l.Url, name: v, note: note})
	}
	for _, s := range l.CipherSuites {
		all = append(all, cells{kind: "cipher suite", node: l.Node, where: l.Url, name: s, note: note})
	}
	for _, g := range l.Groups {
		all = append(all, cells{kind: "group", node: l.Node, where: l.Url, name: g, postQuantum: quantumOf(g).String(), note: note})
	}
	return all
}

// distinct lists places, each once.
func distinct(lists ...[]string) (all []string) {
	for _, s := range slices.Concat(lists...) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
