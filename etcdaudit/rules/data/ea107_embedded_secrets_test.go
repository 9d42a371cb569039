package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestSecretsInOtherObjects(t *testing.T) {
	const manifest = `{"apiVersion":"v1","kind":"ConfigMap","data":{"s.json":"{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"db\",\"namespace\":\"shop\"},\"data\":{\"p\":\"` + stored.Canary + `\"}}"}}`
	const secret = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"shop"},"data":{"p":"` + stored.Canary + `"}}`
	stored.Run(t, "EA-107",
		stored.Case{Name: "a ConfigMap with a Secret in it", Values: stored.Values{"configmaps/default/a": manifest, "configmaps/default/b": stored.Plaintext}, Status: check.Warn, Count: 1, Says: "a Secret is inside 1 value"},
		stored.Case{Name: "in an older revision", Layer: record.History, Values: stored.Values{"configmaps/default/a": manifest}, Status: check.Warn, Count: 1, Says: "1 value"},
		stored.Case{Name: "a Secret under another key", Values: stored.Values{"backup/secrets/default/a": secret, "configmaps/default/b": secret}, Status: check.Warn, Count: 2, Says: "2 values"},
		stored.Case{Name: "a Secret in itself is a Secret", Values: stored.Values{"secrets/default/a": manifest}, Status: check.Pass, Says: "no plaintext value of another"},
		stored.Case{Name: "nothing passes nothing", Status: check.NotApplicable, Says: "no value"},
	)
}
