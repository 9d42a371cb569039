package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/vaultbackend"
)

// onlyItself returns an error for an output that would replace the earlier register, but for one
// that is read again as such.
func (k keyUsagePart) onlyItself(all outputs) error {
	all = slices.DeleteFunc(slices.Clone(all), func(o output) bool { return o.format == report.FormatJSON })
	return all.apart([]input{{k.Register, "register", false}})
}

// keepsAll refuses an earlier register that is of other keys than those that are asked for, and to
// replace one that has others beside them: what it has seen of these would be lost.
func (a *auditRun) keepsAll(earlier map[string][]keyusage.Version, keys []vaultbackend.Config) error {
	others := maps.Clone(earlier)
	for _, c := range keys {
		delete(others, c.KeyPath())
	}
	switch lost := strings.Join(slices.Sorted(maps.Keys(others)), ", "); {
	case lost == "":
	case len(others) == len(earlier):
		return cli.Usage(fmt.Errorf("register: %s is of %s, and of no key that is asked for: name its own register, or leave it out", a.KeyUsage.Register, lost))
	case a.out.apart([]input{{a.KeyUsage.Register, "register", false}}) != nil:
		return cli.Usage(fmt.Errorf("output: %s would be replaced, and has versions of %s as well: ask for that too (--vault-other-key), or name another file", a.KeyUsage.Register, lost))
	}
	return nil
}

// earlier are the versions that an earlier register has seen, by the path of their key.
func (k keyUsagePart) earlier(ctx context.Context) (map[string][]keyusage.Version, error) {
	if k.Register == "" {
		return nil, nil
	}
	r, err := readAs(ctx, k.Register, report.ReadRegister)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("register: %w", err))
	}
	all := map[string][]keyusage.Version{}
	for _, key := range r.Keys {
		if key.TransitKey == "" || key.Created == nil {
			continue
		}
		v := keyusage.Version{KeyID: key.KeyId, Created: key.Created.AsTime()}
		// That of the key_id, which need not be the one that wraps the values under it.
		_, err := fmt.Sscanf(key.KeyId, "v%d.", &v.Number)
		if err := cmp.Or(err, checkVersion(key.TransitKey, v)); err != nil {
			return nil, cli.Usage(fmt.Errorf("register: %s: %w", k.Register, err))
		}
		all[key.TransitKey] = append(all[key.TransitKey], v)
	}
	return all, nil
}
