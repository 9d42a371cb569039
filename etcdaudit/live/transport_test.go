package live

import (
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

func TestATokenThatIsOldOrUnknownIsReplaced(t *testing.T) {
	for err, replaced := range map[error]bool{
		rpctypes.ErrInvalidAuthToken: true, rpctypes.ErrAuthOldRevision: true,
		rpctypes.ErrPermissionDenied: false, rpctypes.ErrAuthFailed: false,
	} {
		if err := fmt.Errorf("read: %w", err); tokenRefused(err) != replaced || transient(err) != replaced {
			t.Errorf("%v: another token %v, again %v", err, tokenRefused(err), transient(err))
		}
	}
}
