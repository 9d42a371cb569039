package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// addHost puts into a report what a host has shown. archive is where the facts of another
// machine are from.
func addHost(r *auditv1.Report, h *facts.Host, archive record.Input) {
	node := term.Printable(h.Node)
	what := fmt.Sprintf("host %s: %s", cmp.Or(h.Node, "without a name"), h.Setup.Kind)
	if h.Setup.Fact != "" {
		what += " (" + h.Setup.Fact + ")"
	}
	if !h.Live {
		what += fmt.Sprintf(", files under %s only: nothing shows that they are in force", h.Root)
	}
	scope := &auditv1.Scope{Id: "host:" + node, Node: node, Layer: "host", LayerName: "host", Time: timestamppb.New(h.Now)}
	if archive.Name != "" {
		what += fmt.Sprintf(", collected at %s, archive %s (%s)", h.Now.UTC().Format(time.RFC3339), archive.Name, archive.Hash)
		scope.Sources = append(scope.Sources, &auditv1.Source{Name: term.Printable(archive.Name), Hash: archive.Hash, Bytes: archive.Bytes})
	}
	scope.Text = term.Printable(what)
	inspected := map[string]facts.Inspected{}
	for _, f := range h.Inspected {
		inspected[f.Name] = f
	}
	for _, name := range h.Read {
		f := inspected[name]
		scope.Sources = append(scope.Sources, &auditv1.Source{Name: term.Printable(name), Hash: term.Printable(f.Hash), Bytes: f.Bytes})
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
		r.Configurations = append(r.Configurations, etcdConfiguration(e, node))
	}
	for _, a := range h.APIServers {
		c := &auditv1.Configuration{
			Program: "kube-apiserver", Name: term.Printable(a.Name), Source: term.Printable(a.Source), Refused: term.Printable(a.Config.Refused),
			Node: node, Version: version(a.Process), EncryptionFile: encryption(a.Encryption), Unknown: term.Printable(a.NotEvaluated),
		}
		for _, name := range slices.Sorted(maps.Keys(a.Config.Given)) {
			if slices.Contains(a.Config.Unknown, name) {
				continue // what is not known may be a secret
			}
			c.Settings = append(c.Settings, &auditv1.Setting{Name: term.Printable(name), Value: term.Printable(strings.Join(a.Config.Given[name], ",")), Origin: "--" + term.Printable(name)})
		}
		for _, name := range a.Config.Unknown {
			c.Void = append(c.Void, &auditv1.Setting{Name: term.Printable(name), Why: "no flag of this name is known"})
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
	mode := ""
	if k.Rights.Exists && k.Rights.Err == "" {
		mode = fmt.Sprintf("%04o", k.Rights.Mode.Perm())
	}
	return &auditv1.PrivateKey{
		Node: node, File: term.Printable(file), Kind: term.Printable(k.Kind), Hmac: term.Printable(k.HMAC),
		FingerprintKey: term.Printable(k.FingerprintKey), Certificates: allPrintable(k.Certificates),
		Mode: mode, Uid: int32(k.Rights.UID), Weakness: term.Printable(cmp.Or(k.Weakness, k.Doubt)), Encrypted: k.Encrypted, //nolint:gosec // a uid has 32 bits
	}
}

// version is the release of a program that runs; empty where that is not known.
func version(p *facts.Process) string {
	if p == nil {
		return ""
	}
	return term.Printable(p.Version)
}

// encryption is what a report says of an EncryptionConfiguration; nil for none.
func encryption(e *facts.EncryptionFile) *auditv1.EncryptionConfiguration {
	if e == nil {
		return nil
	}
	out := &auditv1.EncryptionConfiguration{File: term.Printable(cmp.Or(e.File.At, e.Path)), Hash: term.Printable(e.Hash), Problem: term.Printable(e.Err)}
	if e.Config == nil {
		return out
	}
	for _, rule := range e.Config.Rules() {
		r := &auditv1.EncryptionRule{Resource: term.Printable(rule.Entry)}
		for _, p := range rule.Providers {
			text := strings.TrimSpace(p.Kind + " " + strings.Join(p.Names, ", "))
			if p.Endpoint != "" {
				text += " at " + p.Endpoint
			}
			r.Providers = append(r.Providers, term.Printable(text))
		}
		out.Rules = append(out.Rules, r)
	}
	return out
}

func etcdConfiguration(e facts.Etcd, node string) *auditv1.Configuration {
	c := &auditv1.Configuration{
		Program: "etcd", Name: term.Printable(e.Name), Source: term.Printable(e.Source), Release: e.Config.Release.String(), Refused: term.Printable(e.Config.Refused),
		Node: node, Version: version(e.Process), Unknown: term.Printable(e.Config.NotEvaluated),
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
