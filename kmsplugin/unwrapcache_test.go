package kmsplugin

import (
	"bytes"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestWhatIsReplacedIsOverwritten(t *testing.T) {
	o := newUnwrapCache(true)
	sealed := envelope.Direct(envelope.Binding{}, []byte("vault:v1:x"))
	secret := bytes.Repeat([]byte{1}, envelope.KEKSize)
	kek := testkit.Must(envelope.NewLocalKEK(secret))(t)
	add := func() {
		o.addSeed(sealed, origin{}, secret)
		o.addKEK(sealed, origin{}, kek, secret)
	}
	add()
	s, _ := o.seeds.Peek(cacheKeyOf(sealed))
	k, _ := o.keks.Peek(cacheKeyOf(sealed))
	add()
	blank := make([]byte, envelope.KEKSize)
	if !bytes.Equal(s.secret, blank) || !bytes.Equal(k.secret, blank) {
		t.Error("a secret is still in memory although nothing refers to it")
	}
	if seeds, keks := o.len(); seeds != 1 || keks != 1 {
		t.Errorf("%d seeds and %d local KEKs are held", seeds, keks)
	}
	if seed, ok := o.seed(sealed, func(origin) bool { return true }); !ok || !bytes.Equal(seed, secret) {
		t.Error("what replaced it is overwritten too")
	}
}
