package rules_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestIDsAreUniqueOrderedAndOfTheirGroup(t *testing.T) {
	groups := map[string]string{"1": "data", "2": "keys", "3": "tls", "4": "config", "5": "files"}
	last := ""
	for _, r := range rules.All() {
		id := regexp.MustCompile(`^EA-(\d)\d\d$`).FindStringSubmatch(r.ID)
		if id == nil || r.ID <= last || r.Title == "" || r.Severity == 0 || r.Why == "" || r.Reads == "" {
			t.Errorf("%s after %s: %+v", r.ID, last, r)
			continue
		}
		last = r.ID
		// One file for the rule, one for its test.
		dir := groups[id[1]]
		if strings.HasPrefix(r.ID, "EA-33") {
			dir = "access"
		}
		name := fmt.Sprintf("%s/ea%s_*.go", dir, strings.TrimPrefix(r.ID, "EA-"))
		if files, err := filepath.Glob(name); err != nil || len(files) != 2 || !strings.HasSuffix(files[1], "_test.go") {
			t.Errorf("%s is in %q (%v), want a file and its test as %s", r.ID, files, err, name)
		}
	}
}

func TestAnEmptyStorePassesNoCheckOfTheStore(t *testing.T) {
	f := stored.Facts(stored.Config(t, stored.Entry("secrets", stored.KMS("v2", "p"))))
	for _, c := range check.Evaluate(rules.All(), f) {
		if check.Worst(c.Results) == check.Pass && !strings.HasPrefix(c.ID, "EA-4") { // those are about the file
			t.Errorf("%s passes on nothing", c.ID)
		}
	}
}
