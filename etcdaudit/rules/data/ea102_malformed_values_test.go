package data_test

import (
	"fmt"
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestMalformedValues(t *testing.T) {
	stored.Run(t, "EA-102",
		stored.Case{Name: "a damaged value fails with its reason", Values: stored.Values{"secrets/default/a": stored.Malformed}, Status: check.Fail, Count: 1, Says: "1 value malformed"},
		stored.Case{Name: "a claim with a readable object behind it fails", Values: stored.Values{"secrets/default/a": stored.Claimed()}, Status: check.Fail, Count: 1, Says: "1 value malformed"},
		stored.Case{Name: "sound values pass", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "k", "")}, Status: check.Pass, Says: "was not tried"},
	)
}

func TestMoreFindingsThanAreListedAreCounted(t *testing.T) {
	values := stored.Values{}
	for i := range 1500 {
		values[fmt.Sprintf("secrets/default/%d", i)] = stored.Malformed
	}
	if r := stored.Result(t, stored.Facts(nil, stored.Records(values)...), "EA-102"); r.Count != 1500 || len(r.Objects) != 1000 {
		t.Errorf("count %d, %d listed", r.Count, len(r.Objects))
	}
}

func TestAMalformedValueIsNamedWithItsReason(t *testing.T) {
	r := stored.Result(t, stored.Facts(nil, stored.Records(stored.Values{"secrets/default/a": stored.Malformed})...), "EA-102")
	if o := r.Objects[0]; o.Detail == "" || o.Resource != "secrets" || o.Namespace != "default" || o.Name != "a" {
		t.Errorf("%v", o)
	}
}
