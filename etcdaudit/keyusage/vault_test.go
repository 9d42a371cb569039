package keyusage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/stored"
)

var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func TestAVersionBelowANumberIsBlockingUndecidedOrFree(t *testing.T) {
	key := keyusage.TransitKey{Path: "transit/k", Latest: 3, Versions: []keyusage.Version{{Number: 1, KeyID: "v1.a", Created: day}, {Number: 2, KeyID: "v2.a"}}}
	other := keyusage.TransitKey{Path: "transit/o", Latest: 1, Versions: []keyusage.Version{{Number: 1, KeyID: "v1.o"}}}
	for name, tt := range map[string]struct {
		value string
		layer record.Layer
		keys  []keyusage.TransitKey
		want  keyusage.Standing
	}{
		"a version of the key":                    {stored.KMSv2("p", "v1.a", 1), record.Live, []keyusage.TransitKey{key}, keyusage.Blocking},
		"in history":                              {stored.KMSv2("p", "v1.a", 1), record.History, []keyusage.TransitKey{key}, keyusage.Blocking},
		"in free pages, which nothing reads":      {stored.KMSv2("p", "v1.a", 1), record.FreePages, []keyusage.TransitKey{key}, keyusage.Free},
		"a newer one":                             {stored.KMSv2("p", "v2.a", 2), record.Live, []keyusage.TransitKey{key}, keyusage.Free},
		"a key_id of a newer one around an older": {stored.KMSv2("p", "v2.a", 1), record.Live, []keyusage.TransitKey{key}, keyusage.Blocking},
		"an older key_id around a newer one":      {stored.KMSv2("p", "v1.a", 2), record.Live, []keyusage.TransitKey{key}, keyusage.Blocking},
		"of no key that was asked for":            {stored.KMSv2("p", "v1.x", 1), record.Live, []keyusage.TransitKey{key}, keyusage.Undecided},
		"of another key that was asked for":       {stored.KMSv2("p", "v1.o", 1), record.Live, []keyusage.TransitKey{key, other}, keyusage.Free},
		"any, where Vault was not asked":          {stored.KMSv2("p", "v1.x", 1), record.Live, nil, keyusage.Blocking},
		"no version that is known":                {stored.KMSv1("p"), record.Live, []keyusage.TransitKey{key}, keyusage.Free},
	} {
		r := keyusage.New(nil)
		read(r, in(tt.layer, "secrets/d/a", tt.value, 1))
		got := keyusage.Join(r.Usages(), tt.keys)[0]
		for _, e := range keyusage.Join(r.Usages(), tt.keys) {
			if len(e.Uses) > 0 {
				got = e
			}
		}
		if standing := got.Below(2, tt.keys != nil); standing != tt.want {
			t.Errorf("%s: %v, want %v", name, standing, tt.want)
		}
	}
}

func TestVersionsThatNothingIsUnderAreListedAsWell(t *testing.T) {
	key := keyusage.TransitKey{Path: "transit/k", MinDecryption: 2, Versions: []keyusage.Version{{Number: 2, KeyID: "v2.a", Created: day, Listed: true}}}
	key.Remember([]keyusage.Version{{Number: 1, KeyID: "v1.a", Created: day}, {Number: 2, KeyID: "v2.a", Created: day}})
	r := keyusage.New(nil)
	read(r, in(record.Live, "secrets/d/a", stored.KMSv2("p", "v1.a", 1), 1))
	all := keyusage.Join(r.Usages(), []keyusage.TransitKey{key})
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	for _, e := range all {
		if e.TransitKey != 0 || !e.Known.Created.Equal(day) || e.Known.Listed != (e.KeyID == "v2.a") || (len(e.Uses) > 0) != (e.KeyID == "v1.a") {
			t.Errorf("%+v", e)
		}
	}
}

func TestAnInventoryOfBackupsIsReadOrRefusedWithItsReason(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	head := "declared: 2026-11-28\nby: Jane Doe\n"
	declared := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for text, tt := range map[string]struct {
		want keyusage.Backups
		err  string
	}{
		"# all\n" + head + "\n /var/backups/*.db \n./#odd: name\n": {want: keyusage.Backups{Declared: declared, By: "Jane Doe", Paths: []string{"/var/backups/*.db", "./#odd: name"}}},
		head + "none\n":                       {want: keyusage.Backups{Declared: declared, By: "Jane Doe"}},
		head:                                  {err: "it lists no backup"},
		head + "none\n/a\n":                   {err: "both the word none and paths"},
		"by: Jane\n/a\n":                      {err: "when it was declared complete"},
		"declared: 2026-11-28\n/a\n":          {err: "who declares it complete"},
		"declared: 28.11.2026\nby: J\nnone":   {err: `line 1: "28.11.2026" is no date`},
		"by: J\ndeclared: 2026-12-01\nnone":   {err: "line 2: 2026-12-01 has not come yet"},
		"declared: 2026-11-28\nby:\nnone":     {err: "line 2: want one name"},
		head + "by: Joe\nnone":                {err: "line 3: want one name"},
		head + "declared: 2026-11-27\nnone":   {err: "line 3: declared stands there twice"},
		head + strings.Repeat("/a\n", 10_001): {err: "line 10003: more than 10000 paths"},
		"":                                    {err: "when it was declared complete"},
	} {
		got, err := keyusage.ParseBackups(text, now)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%.60q: %v, want %s", text, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%.60q: %v %s", text, err, diff)
		}
	}
}
