package audit_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// runbookOf are the commands of a report about one plaintext Secret in each scope.
func runbookOf(t *testing.T, scopes ...record.Scope) string {
	t.Helper()
	var all []string
	for _, step := range timelines(t, scopes...).GetRunbook() {
		all = append(all, step.GetCommands()...)
	}
	return strings.Join(all, "\n")
}

func TestAFileThatAProcessUsesIsNoCopy(t *testing.T) {
	for _, inUse := range []bool{false, true} {
		s := aDayOld("/b/x.db", record.Undetermined)
		s.Copy, s.InUse = "copy of a database", inUse
		if got := runbookOf(t, s); strings.Contains(got, "rm -- /b/x.db") == inUse {
			t.Errorf("in use %v:\n%s", inUse, got)
		}
	}
}

// What is read byte by byte of a member's own file may be live.
func TestADatabaseReadByteByByteHasARunbook(t *testing.T) {
	s := aDayOld("/var/lib/etcd/member/snap/db", record.Undetermined)
	if got := runbookOf(t, s); !strings.Contains(got, "kubectl get secrets --all-namespaces -o json | kubectl replace -f -\n") || !strings.Contains(got, "etcdctl defrag") {
		t.Error(got)
	}
}
