package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// RegisterTable writes a register of keys for people: what was read and declared, the verdict, a
// line for each version, and what needs it.
func RegisterTable(w io.Writer, r *auditv1.KeyRegister, colours term.Colours) error {
	p := &printer{colours: colours}
	p.line("Register of keys, %s UTC", r.Time.AsTime().Format(time.DateTime))
	for _, s := range r.Scopes {
		p.wrap("      ", "Read: %s: %s", s.GetScope().GetText(), valuesOf(s))
	}
	p.wrap("         ", "Backups: %s", declared(r))
	for _, k := range r.TransitKeys {
		if k.LatestVersion == 0 {
			p.wrap("       ", "Vault: %s could not be read: its versions are not known", k.Path)
			continue
		}
		p.wrap("       ", "Vault: %s has versions up to %d and decrypts from %d on", k.Path, k.LatestVersion, max(k.MinDecryptionVersion, 1))
	}
	for _, m := range r.Unread {
		p.wrap("          ", "Not read: %s: %s", m.Name, m.Reason)
	}
	p.line("")
	question := ""
	if r.Below > 0 {
		question = fmt.Sprintf("may versions below %d be retired? ", r.Below)
	}
	p.wrap("    ", "Verdict: %s%s", question, p.status(r.Status))
	for _, reason := range r.Reasons {
		p.wrap("    ", "  %s", reason)
	}
	p.line("")
	p.register(r)
	p.keyUses(r)
	for _, s := range r.Scopes {
		p.starts(s.GetScope())
	}
	if r.DekSourcesIncomplete {
		p.line("")
		p.wrap("    ", "There were more DEK sources than can be told apart: their numbers are low.")
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

func valuesOf(s *auditv1.KeyScope) string {
	said := fmt.Sprintf("%s, %d plaintext", many(s.Encrypted, "encrypted value"), s.Plaintext)
	for _, more := range []struct {
		n    uint32
		what string
	}{{s.Malformed, "that no API server can read"}, {s.Unknown, "of a provider that is not known"}, {s.Cut, "of which only a part is there"}} {
		if more.n > 0 {
			said += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	return said
}

func declared(r *auditv1.KeyRegister) string {
	b := r.Backups
	if b == nil {
		return "NOT DECLARED: what lies elsewhere may need any version"
	}
	day := b.Declared
	if on, err := time.Parse(time.DateOnly, day); err == nil {
		day += fmt.Sprintf(", %s before this", many(uint32(max(0, r.Time.AsTime().Sub(on).Hours()/24)), "day"))
	}
	if len(b.Paths) == 0 {
		return fmt.Sprintf("there are none, as %s declared on %s (%s)", b.By, day, b.File)
	}
	return fmt.Sprintf("these are all, as %s declared on %s (%s): %s", b.By, day, b.File, strings.Join(b.Paths, ", "))
}

func (p *printer) register(r *auditv1.KeyRegister) {
	if len(r.Keys) == 0 {
		p.line("No value is encrypted.")
		return
	}
	t := table.NewWriter()
	t.SetStyle(plain())
	t.SetColumnConfigs(numbers("VALUES", "NEEDED", "DEK SOURCES"))
	t.AppendHeader(table.Row{"KIND", "NAME", "VAULT KEY", "KEY_ID", "CREATED", "VALUES", "NEEDED", "DEK SOURCES", "LAST NEEDED", "NOTE"})
	for _, k := range r.Keys {
		values, needed := totals(k)
		t.AppendRow(table.Row{k.Kind, k.Name, vaultKey(k.VaultKeyVersion), k.KeyId, day(k.Created), values, needed, k.DekSources, day(k.LastNeeded), keyNote(k, r)})
	}
	p.table(t)
}

func keyNote(k *auditv1.Key, r *auditv1.KeyRegister) string {
	var notes []string
	if k.Envelope != "" && k.Envelope != "other" {
		notes = append(notes, k.Envelope)
	}
	if k.Cluster != "" {
		notes = append(notes, "cluster "+k.Cluster)
	}
	unread := func(t *auditv1.TransitKey) bool { return t.LatestVersion == 0 }
	switch {
	case k.TransitKey != "" && len(r.TransitKeys) > 1:
		notes = append(notes, k.TransitKey)
	case k.TransitKey == "" && k.VaultKeyVersion > 0 && slices.ContainsFunc(r.TransitKeys, func(t *auditv1.TransitKey) bool { return unread(t) || k.VaultKeyVersion < t.MinDecryptionVersion }):
		notes = append(notes, "nothing shows of which key") // Vault lists no such version of it
	case k.TransitKey == "" && k.VaultKeyVersion > 0 && len(r.TransitKeys) > 0:
		notes = append(notes, "of no key that Vault was asked for")
	}
	if k.CreatedSource == "register" {
		listed := "not listed by Vault any more"
		if slices.ContainsFunc(r.TransitKeys, func(t *auditv1.TransitKey) bool { return t.Path == k.TransitKey && unread(t) }) {
			listed = "known from an earlier register"
		}
		notes = append(notes, listed)
	}
	if k.OverAge {
		notes = append(notes, fmt.Sprintf("%d days old", int(r.Time.AsTime().Sub(k.Created.AsTime()).Hours()/24)))
	}
	if k.Rest {
		notes = append(notes, "too many keys to be told apart")
	}
	return strings.Join(notes, ", ")
}

// keyUses says what is under each key, and where.
func (p *printer) keyUses(r *auditv1.KeyRegister) {
	names := map[string]string{}
	for _, s := range r.Scopes {
		names[s.GetScope().GetId()] = s.GetScope().GetText()
	}
	for _, k := range r.Keys {
		if len(k.Uses) == 0 {
			continue
		}
		p.line("")
		title := cmp.Or(k.KeyId, strings.TrimSpace(k.Kind+" "+k.Name))
		if k.LocalKek != "" {
			title += ", local KEK " + k.LocalKek
		}
		p.wrap("    ", "%s:", title)
		for _, u := range k.Uses {
			p.wrap("    ", "  %s: %s", cmp.Or(names[u.Scope], u.Scope), use(u))
			if len(u.Objects) > 0 {
				p.wrap("      ", "    %s", objectNames(u))
			}
		}
	}
}

func use(u *auditv1.KeyUse) string {
	said := many(u.Values, "value") + ", "
	switch {
	case u.Needed == 0:
		said += "that nothing reads"
	case u.Needed == u.Values:
		said += "needed"
	default:
		said += fmt.Sprintf("%d of them needed", u.Needed)
	}
	if u.DekSources > 0 {
		said += fmt.Sprintf(", %s with at most %s each", many(u.DekSources, "DEK source"), many(u.MostValues, "value"))
	}
	if u.FirstRevision > 0 {
		said += fmt.Sprintf(", revisions %d to %d, the last written %s", u.FirstRevision, u.LastRevision, within(u.LastWritten))
	}
	return said
}

func objectNames(u *auditv1.KeyUse) string {
	const most = 10
	var names []string
	for _, o := range u.Objects[:min(len(u.Objects), most)] {
		names = append(names, strings.TrimPrefix(strings.Join([]string{o.Resource, o.Namespace, o.Name}, "/"), "/"))
	}
	if more := len(u.Objects) - len(names) + int(u.ObjectsOmitted); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// stamp is a time in UTC; nothing for none.
func stamp(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.RFC3339)
}
