package keystate

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

func TestWhichVersionWrites(t *testing.T) {
	const delay = 3 * time.Minute
	now := time.Unix(1_800_000_000, 0)
	ago := func(minutes float64) time.Time { return now.Add(-time.Duration(minutes * float64(time.Minute))) }
	created := func(list ...time.Time) map[int]time.Time {
		m := map[int]time.Time{}
		for i, at := range list {
			m[i+1] = at
		}
		return m
	}
	for name, tc := range map[string]struct {
		created                 map[int]time.Time
		latest                  int
		minDecrypt, minEncrypt  int
		unready                 []int
		current                 int
		currentIsAnother, stale bool
		resumed                 time.Time
		want, next              int
		at                      time.Time
	}{
		"a first version writes at once":                         {created: created(ago(0)), want: 1, next: 0},
		"a new version waits":                                    {created: created(ago(60), ago(1)), current: 1, want: 1, next: 2, at: ago(-2)},
		"a new version is promoted at its instant":               {created: created(ago(60), ago(3)), current: 1, want: 2},
		"a replica that starts late chooses the same":            {created: created(ago(60), ago(3)), want: 2},
		"a replica that starts early chooses the same":           {created: created(ago(60), ago(1)), want: 1, next: 2, at: ago(-2)},
		"a new key rotated at once starts with the first":        {created: created(ago(2), ago(1)), want: 1, next: 2, at: ago(-2)},
		"two rotations within the delay are two promotions":      {created: created(ago(60), ago(2), ago(1)), current: 1, want: 1, next: 2, at: ago(-1)},
		"three in one second promote the newest":                 {created: created(ago(60), ago(3), ago(3), ago(3)), current: 1, want: 4},
		"a raised minimum promotes at once":                      {created: created(ago(60), ago(1)), minDecrypt: 2, current: 1, want: 2},
		"a raised encryption minimum promotes at once":           {created: created(ago(60), ago(1)), minEncrypt: 2, current: 1, want: 2},
		"a minimum inside the delay does not promote the rest":   {created: created(ago(60), ago(2), ago(1)), minDecrypt: 2, current: 1, want: 2, next: 3, at: ago(-2)},
		"nothing is promoted in an outage":                       {created: created(ago(60), ago(3)), current: 1, stale: true, want: 1, next: 2, at: ago(0)},
		"an adopted key with many versions writes with the last": {created: created(ago(90), ago(80), ago(70), ago(60)), want: 4},
		"a version that is not ready is passed over":             {created: created(ago(60), ago(50)), unready: []int{2}, current: 1, want: 1},
		"with none ready there is none":                          {created: created(ago(60)), unready: []int{1}, want: 0},
		"it does not go back when a clock does":                  {created: created(ago(60), ago(1)), current: 2, want: 2},
		"it goes back if the newer version is gone":              {created: created(ago(60)), current: 2, want: 1},
		"another key under the same number is not the current":   {created: created(ago(60), ago(1)), current: 2, currentIsAnother: true, want: 1, next: 2, at: ago(-2)},
		"an instant in a gap is put off":                         {created: created(ago(60), ago(30)), current: 1, resumed: ago(1), want: 1, next: 2, at: ago(-2)},
		"an instant soon after a gap too":                        {created: created(ago(60), ago(2.5)), current: 1, resumed: ago(1), want: 1, next: 2, at: ago(-2)},
		"a rotation after a gap keeps its instant":               {created: created(ago(60), ago(1)), current: 1, resumed: ago(2), want: 1, next: 2, at: ago(-2)},
		"what a gap put off is promoted a delay after it":        {created: created(ago(60), ago(30)), current: 1, resumed: ago(3), want: 2},
		"what a gap put off is promoted together, the newest":    {created: created(ago(60), ago(30), ago(20)), current: 1, resumed: ago(1), want: 1, next: 3, at: ago(-2)},
		"a gap takes nothing back":                               {created: created(ago(60), ago(30)), current: 2, resumed: ago(1), want: 2},
		"Vault restored in a gap goes back to the newest":        {created: created(ago(60), ago(30)), current: 3, resumed: ago(1), want: 2},
		"a minimum raised in a gap promotes at once":             {created: created(ago(60), ago(30), ago(20)), minEncrypt: 2, current: 1, resumed: ago(1), want: 2, next: 3, at: ago(-2)},
		"a replica that starts has no gap behind it":             {created: created(ago(60), ago(30)), resumed: ago(1), want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			key := backend.Key{Mount: "transit", Name: "k8s", Latest: len(tc.created), MinDecryption: max(tc.minDecrypt, 1), MinEncryption: tc.minEncrypt, Created: tc.created}
			p := promotion{key: key, now: now, delay: delay, fresh: !tc.stale, resumed: tc.resumed, ready: func(v int) bool {
				for _, u := range tc.unready {
					if u == v {
						return false
					}
				}
				return true
			}}
			if tc.current != 0 {
				at := tc.created[tc.current]
				if tc.currentIsAnother {
					at = at.Add(-time.Hour)
				}
				p.current = Choice{Version: tc.current, KeyID: envelope.KeyID("transit", "k8s", tc.current, at)}
			}
			got := p.choose()
			if announced := tc.created[tc.next].Add(delay); tc.next != 0 && !got.Announced.Equal(announced) {
				t.Errorf("announced for %v, want %v", got.Announced, announced)
			}
			if got.Version != tc.want || got.Next != tc.next || !got.At.Equal(tc.at) {
				t.Errorf("got version %d, next %d at %v; want %d, %d at %v", got.Version, got.Next, got.At, tc.want, tc.next, tc.at)
			}
		})
	}
}
