package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// addHost puts into a report what a host has shown.
func addHost(r *auditv1.Report, h *facts.Host) {
	what := fmt.Sprintf("host %s: %s", cmp.Or(h.Node, "without a name"), h.Setup.Kind)
	if h.Setup.Fact != "" {
		what += " (" + h.Setup.Fact + ")"
	}
	if !h.Live {
		what += fmt.Sprintf(", files under %s only: nothing shows that they are in force", h.Root)
	}
	scope := &auditv1.Scope{Id: "host:" + h.Node, Layer: "host", LayerName: "host", Text: term.Printable(what), Time: timestamppb.New(h.Now)}
	for _, name := range h.Read {
		scope.Sources = append(scope.Sources, &auditv1.Source{Name: term.Printable(name)})
	}
	r.Scopes = append(r.Scopes, scope)
	for _, m := range h.Unread {
		r.NotEvaluated = append(r.NotEvaluated, missing(m))
	}
	for _, node := range h.Setup.Visit {
		r.NotEvaluated = append(r.NotEvaluated, &auditv1.Layer{
			Id: outcome.OtherNode, Name: "another node, " + term.Printable(node), Status: auditv1.Status_STATUS_NOT_EVALUATED,
			Reason: "a part of the control plane is there: run etcdaudit on it as well",
		})
	}
	for _, k := range h.Keys {
		r.PrivateKeys = append(r.PrivateKeys, privateKey(h.Node, k))
	}
	for _, e := range h.Etcds {
		r.Configurations = append(r.Configurations, etcdConfiguration(e))
	}
	for _, a := range h.APIServers {
		c := &auditv1.Configuration{Program: "kube-apiserver", Name: a.Name, Source: term.Printable(a.Source), Refused: term.Printable(a.Config.Refused)}
		for _, name := range slices.Sorted(maps.Keys(a.Config.Given)) {
			if slices.Contains(a.Config.Unknown, name) {
				continue // what is not known may be a secret
			}
			c.Settings = append(c.Settings, &auditv1.Setting{Name: term.Printable(name), Value: term.Printable(strings.Join(a.Config.Given[name], ",")), Origin: "--" + term.Printable(name)})
		}
		for _, name := range a.Config.Unknown {
			c.Void = append(c.Void, &auditv1.Setting{Name: term.Printable(name), Why: "no flag of this name is known"})
		}
		if e := a.Encryption; e != nil && e.Config != nil {
			c.Encryption = encryptionEntries(e.Config)
		}
		r.Configurations = append(r.Configurations, c)
	}
}

// privateKey lists a key by what it is. One of several in an EncryptionConfiguration has its
// name after the file.
func privateKey(node string, k facts.Key) *auditv1.PrivateKey {
	file := k.File
	if k.Name != "" {
		file += ": " + k.Name
	}
	return &auditv1.PrivateKey{
		Node: node, File: term.Printable(file), Kind: k.Kind, Hmac: k.HMAC, FingerprintKey: k.FingerprintKey, Certificates: k.Certificates,
		Mode: fmt.Sprintf("%04o", k.Rights.Mode.Perm()), Uid: int32(k.Rights.UID), Weakness: k.Weakness, Encrypted: k.Encrypted, //nolint:gosec // a uid has 32 bits
	}
}

func etcdConfiguration(e facts.Etcd) *auditv1.Configuration {
	c := &auditv1.Configuration{
		Program: "etcd", Name: e.Name, Source: term.Printable(e.Source), Release: e.Config.Release.String(), Refused: term.Printable(e.Config.Refused),
	}
	setting := func(name, value string, origin etcdconfig.Origin, why string) *auditv1.Setting {
		return &auditv1.Setting{Name: term.Printable(name), Value: term.Printable(value), Origin: term.Printable(origin.Text), Why: term.Printable(why)}
	}
	for _, s := range e.Config.Settings {
		c.Settings = append(c.Settings, setting(s.Name, s.Value, s.Origin, ""))
	}
	for _, v := range e.Config.Voids {
		c.Void = append(c.Void, setting(v.Name, v.Value, v.Origin, v.Why))
	}
	for _, named := range []struct{ setting, path string }{{"data-dir", e.Config.DataDir}, {"wal-dir", e.Config.WALDir}} {
		if dir := e.Files[named.path]; named.path != "" && dir.Exists && dir.Err == "" {
			c.Files = append(c.Files, &auditv1.File{
				Setting: named.setting, Path: term.Printable(named.path), Mode: fmt.Sprintf("%04o", dir.Mode.Perm()),
				Uid: int32(dir.UID), Gid: int32(dir.GID), Owner: term.Printable(dir.Owner), //nolint:gosec // Linux has 32-bit ids
			})
		}
	}
	return c
}

func encryptionEntries(config *encryptionconfig.Config) (all []*auditv1.EncryptionEntry) {
	for _, rule := range config.Rules() {
		entry := &auditv1.EncryptionEntry{Resource: term.Printable(rule.Entry)}
		for _, p := range rule.Providers {
			entry.Providers = append(entry.Providers, p.Kind)
		}
		all = append(all, entry)
	}
	return all
}
