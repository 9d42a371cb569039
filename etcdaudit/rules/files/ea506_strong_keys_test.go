package files_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestStrongKeys(t *testing.T) {
	keys := func(keys ...facts.Key) func(*controlplane.Node) {
		return func(n *controlplane.Node) { n.Facts.Host.Keys = keys }
	}
	key1 := facts.Key{File: "/enc.yaml", Name: "aescbc key1", Kind: "aescbc, 32 bytes", HMAC: "aa"}
	with := func(k facts.Key, change func(*facts.Key)) facts.Key { change(&k); return k }
	key2 := with(key1, func(k *facts.Key) { k.Name = "aescbc key2" })
	controlplane.Run(t, "EA-506",
		controlplane.Case{Name: "kubeadm's", Target: "etcd/server.key", Status: check.Pass, Says: "ECDSA P-256"},
		controlplane.Case{Name: "a key of an EncryptionConfiguration", Change: keys(key1), Status: check.Pass, Says: "aescbc, 32 bytes"},
		controlplane.Case{Name: "a typed one", Change: keys(with(key1, func(k *facts.Key) { k.Weakness = "it was typed" })), Status: check.Fail, Says: "it was typed", Fix: "/dev/urandom"},
		controlplane.Case{Name: "one of hexadecimal digits", Change: keys(with(key1, func(k *facts.Key) { k.Doubt = "its bytes are digits" })), Status: check.Warn, Says: "its bytes are digits", Fix: "/dev/urandom"},
		controlplane.Case{Name: "the same again under a new name", Change: keys(key1, with(key2, func(k *facts.Key) { k.Doubt = "its bytes are digits" })), Target: "key2", Status: check.Fail, Says: "the same key"},
		controlplane.Case{Name: "a short private key", Change: keys(facts.Key{File: "/a.key", Kind: "RSA 1024", Weakness: "1024 bits are too few"}), Status: check.Fail, Says: "1024", Fix: "issue key and certificate anew"},
		controlplane.Case{Name: "the old key under a new name", Change: keys(key1, key2), Target: "key2", Status: check.Fail, Says: "the same key as aescbc key1", Fix: "rewrite all Secrets"},
		controlplane.Case{Name: "another key", Change: keys(key1, with(key2, func(k *facts.Key) { k.HMAC = "bb" })), Target: "key2", Status: check.Pass},
		// A certificate may stand in several files with its key.
		controlplane.Case{Name: "a private key in two files", Change: keys(facts.Key{File: "/a.key", Kind: "RSA 2048", HMAC: "cc"}, facts.Key{File: "/b.key", Kind: "RSA 2048", HMAC: "cc"}), Target: "/b.key", Status: check.Pass},
		controlplane.Case{Name: "the same configuration on two paths", Change: keys(key1, with(key1, func(k *facts.Key) { k.File = "/copy.yaml" })), Target: "/copy.yaml", Status: check.Pass},
		controlplane.Case{Name: "with a passphrase", Change: keys(facts.Key{File: "/a.key", Encrypted: true}), Status: check.NotEvaluated, Says: "passphrase", Expected: true},
		controlplane.Case{Name: "of an unknown form", Change: keys(facts.Key{File: "/a.key"}), Status: check.NotEvaluated, Says: "not known here"},
		controlplane.Case{Name: "none", Change: keys(), Status: check.NotEvaluated, Says: "no key was found"},
		controlplane.NoNode,
	)
}
