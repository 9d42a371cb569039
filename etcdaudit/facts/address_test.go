package facts_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

func TestAnAddressIsReachedFromItsOwnNodeOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"https://127.0.0.1:2379": true, "http://localhost:2381": true, "https://[::1]:2379": true, "unix:///run/etcd.sock": true, "unixs:///run/etcd.sock": true,
		"https://0.0.0.0:2379": false, "https://192.0.2.10:2379": false, "https://localhost.example:2379": false, "http://%zz": false,
	} {
		if got := facts.Local(address); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}
