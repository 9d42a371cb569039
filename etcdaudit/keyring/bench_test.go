package keyring_test

import (
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/storage/value"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// BenchmarkTrial is what a configuration adds to each value: reading it and
// trying its key.
func BenchmarkTrial(b *testing.B) {
	for _, kind := range []string{"aescbc", "aesgcm", "secretbox"} {
		b.Run(kind+"-1KiB", func(b *testing.B) {
			file := configFile(b, provider(kind, namedKey{"k", 1}))
			stored, err := apiServer(b, file).TransformToStorage(b.Context(), []byte(object+strings.Repeat("x", 1024)), value.DefaultContext(etcdKey))
			if err != nil {
				b.Fatal(err)
			}
			var keys keyring.Keyring
			defer keys.Clear()
			c, err := encryptionconfig.LoadWithKeys(file, keys.Opener)
			if err != nil {
				b.Fatal(err)
			}
			rule, _ := c.For(secrets())
			b.SetBytes(int64(len(stored)))
			for b.Loop() {
				if !drift.Of(rule, []byte(etcdKey), storedvalue.Parse(stored)).Opened {
					b.Fatal("not opened")
				}
			}
		})
	}
}
