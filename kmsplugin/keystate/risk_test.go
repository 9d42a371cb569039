package keystate

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

func TestRisksAreNamedFromTheKeysProperties(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	good := backend.Key{Type: "aes256-gcm96", Latest: 2, MinDecryption: 1, Created: map[int]time.Time{1: at, 2: at.Add(time.Hour)}}
	for name, tc := range map[string]struct {
		change func(*backend.Key)
		want   string
	}{
		"a key as it should be":       {func(*backend.Key) {}, ""},
		"a key that can be deleted":   {func(k *backend.Key) { k.DeletionAllowed = true }, riskDeletion},
		"a key that can be exported":  {func(k *backend.Key) { k.Exportable = true }, riskExport},
		"a key that can be backed up": {func(k *backend.Key) { k.AllowPlaintextBackup = true }, riskBackup},
		"a minimum that was raised":   {func(k *backend.Key) { k.MinDecryption = 2 }, riskMinimum},
		"another key of the name":     {func(k *backend.Key) { k.Created = map[int]time.Time{1: at.Add(time.Second)} }, riskReplaced},
		"a key from an older backup":  {func(k *backend.Key) { k.Latest, k.Created = 1, map[int]time.Time{1: at} }, riskReplaced},
		"a key that is auto-rotated":  {func(k *backend.Key) { k.AutoRotatePeriod = 24 * time.Hour }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			key := good
			tc.change(&key)
			found := risksOf(key, 1, replaced(good.Created, key), underivable{})
			switch {
			case tc.want == "" && len(found) != 0:
				t.Errorf("found %v", found)
			case tc.want != "" && (len(found) != 1 || found[0].Name != tc.want || found[0].Text == ""):
				t.Errorf("found %v, want %s", found, tc.want)
			}
		})
	}
}
