package report

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// usedKey is one version of a key of a KMS plugin, with what is under it in all scopes.
type usedKey struct {
	*auditv1.Key
	Values, Needed uint64
	// Most is the most values under one DEK source, in any scope.
	Most uint32
}

// usedKeysOf are the keys of KMS plugins: others have no DEK sources.
func usedKeysOf(r *auditv1.Report) (all []usedKey) {
	for _, k := range r.Keys {
		if !strings.HasPrefix(k.Kind, "kms ") {
			continue
		}
		one := usedKey{Key: k}
		one.Values, one.Needed = totals(k)
		for _, u := range k.Uses {
			one.Most = max(one.Most, u.MostValues)
		}
		all = append(all, one)
	}
	return all
}

// totals adds up the uses of a key.
func totals(k *auditv1.Key) (values, needed uint64) {
	for _, u := range k.Uses {
		values, needed = values+uint64(u.Values), needed+uint64(u.Needed)
	}
	return values, needed
}

// keys shows the keys of KMS plugins and what is under each.
func (p *printer) keys(r *auditv1.Report) {
	all := usedKeysOf(r)
	if len(all) == 0 {
		return
	}
	p.line("")
	t := table.NewWriter()
	t.SetStyle(plain())
	t.SetColumnConfigs(numbers("VALUES", "NEEDED", "DEK SOURCES", "MOST VALUES OF ONE"))
	t.AppendHeader(table.Row{"KEY_ID", "VAULT KEY", "LOCAL KEK", "VALUES", "NEEDED", "DEK SOURCES", "MOST VALUES OF ONE"})
	for _, k := range all {
		t.AppendRow(table.Row{k.KeyId, vaultKey(k.VaultKeyVersion), k.LocalKek, k.Values, k.Needed, k.DekSources, k.Most})
	}
	p.table(t)
	for _, s := range r.Scopes {
		p.starts(s)
	}
}

// starts says what the start of an API server takes of its KMS plugins.
func (p *printer) starts(s *auditv1.Scope) {
	if s.Layer == "live" && s.Copy == "" && s.DekSources > 0 {
		p.line("")
		p.wrap("    ", "An API server that starts on %s makes at least %s.", s.Text, many(s.DekSources, "Decrypt call"))
	}
}

func (p *printer) table(t table.Writer) {
	for line := range strings.Lines(t.Render()) {
		p.line("%s", strings.TrimRight(line, " \n"))
	}
}

// numbers are columns of numbers.
func numbers(names ...string) (all []table.ColumnConfig) {
	for _, name := range names {
		all = append(all, table.ColumnConfig{Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	return all
}

func vaultKey(version uint32) string {
	if version == 0 {
		return ""
	}
	return fmt.Sprintf("v%d", version)
}

func many(n uint32, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
