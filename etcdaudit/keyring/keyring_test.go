package keyring_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/storage/value"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// number makes keys of which every byte is a letter: "QQQ...".
const number = 'Q'

func TestNothingOpensAfterClear(t *testing.T) {
	for _, kind := range []string{"aescbc", "aesgcm", "secretbox"} {
		file := configFile(t, provider(kind, namedKey{"k", number}))
		stored, err := apiServer(t, file).TransformToStorage(t.Context(), []byte(object), value.DefaultContext(etcdKey))
		if err != nil {
			t.Fatal(err)
		}
		var keys keyring.Keyring
		var handedOut []byte
		c, err := encryptionconfig.LoadWithKeys(file, func(kind, name string, secret []byte) encryptionconfig.Opener {
			handedOut = secret
			return keys.Opener(kind, name, secret)
		})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(handedOut, make([]byte, 32)) {
			t.Errorf("%s: the key of the file is not cleared", kind)
		}
		rule, _ := c.For(secrets())
		if got := drift.Of(rule, []byte(etcdKey), storedvalue.Parse(stored)); !got.Opened {
			t.Errorf("%s: %q", kind, got.Drift)
		}
		keys.Clear()
		if got := drift.Of(rule, []byte(etcdKey), storedvalue.Parse(stored)); got.Opened {
			t.Errorf("%s: opened after Clear", kind)
		}
	}
}

func TestNeitherKeysNorPlaintextAreShown(t *testing.T) {
	file := configFile(t, provider("aescbc", namedKey{"k", number}), provider("aesgcm", namedKey{"k", number}), provider("secretbox", namedKey{"k", number}))
	var keys keyring.Keyring
	c, err := encryptionconfig.LoadWithKeys(file, keys.Opener)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := apiServer(t, file).TransformToStorage(t.Context(), []byte(object), value.DefaultContext(etcdKey))
	if err != nil {
		t.Fatal(err)
	}
	rule, _ := c.For(secrets())
	verdict := drift.Of(rule, []byte(etcdKey), storedvalue.Parse(stored))
	if !verdict.Opened {
		t.Fatalf("%q", verdict.Drift)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, v := range []any{keys, &keys, c, *c, rule, rule.Providers, verdict, verdict.Value} {
		asJSON, _ := json.Marshal(v)
		logger.Info("shown", "value", v)
		for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %x %d", v, v, v, v, v, v), string(asJSON), log.String()} {
			for _, canary := range []string{
				"QQQQQQQQ", strings.Repeat("51", 8), strings.Repeat("81 ", 8), strings.Repeat("0x51, ", 8), "UVFRUVFRUVFR", // as text, hex, bytes, Go, base64
				"Secret", "536563726574",
			} {
				if strings.Contains(shown, canary) {
					t.Errorf("%T shows %q", v, canary)
				}
			}
		}
	}
}
