package report

import (
	"encoding/csv"
	"io"
	"strconv"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// RegisterCSV writes a register of keys with a line for each key in each scope, and one for each
// version that no value is under. Texts are as in CSV.
func RegisterCSV(w io.Writer, r *auditv1.KeyRegister) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{
		"kind", "name", "version", "key_id", "transit_key", "created", "over_age", "cluster", "envelope", "local_kek", "last_needed",
		"scope", "layer", "values", "needed", "dek_sources", "most_values", "first_revision", "last_revision",
		"written_not_before", "written_not_after",
	}); err != nil {
		return err
	}
	layers := map[string]string{}
	for _, s := range r.Scopes {
		layers[s.GetScope().GetId()] = s.GetScope().GetLayer()
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, k := range r.Keys {
		of := []string{
			k.Kind, cell(k.Name), number(int64(k.VaultKeyVersion)), cell(k.KeyId), cell(k.TransitKey), stamp(k.Created), strconv.FormatBool(k.OverAge),
			cell(k.Cluster), k.Envelope, k.LocalKek, stamp(k.LastNeeded),
		}
		uses := k.Uses
		if len(uses) == 0 {
			uses = []*auditv1.KeyUse{{}}
		}
		for _, u := range uses {
			if err := out.Write(append(of[:len(of):len(of)],
				cell(u.Scope), layers[u.Scope], number(int64(u.Values)), number(int64(u.Needed)), number(int64(u.DekSources)), number(int64(u.MostValues)),
				number(u.FirstRevision), number(u.LastRevision), stamp(u.GetFirstWritten().GetNotBefore()), stamp(u.GetLastWritten().GetNotAfter()),
			)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}
