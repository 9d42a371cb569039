package audit

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/hostfacts"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	storedconfig "github.com/sealproof/sealproof/test/stored"
)

func TestAHostShowsOwnersAndProvidersButNoKeys(t *testing.T) {
	const dir = "/var/lib/etcd"
	h := &facts.Host{
		Etcds: []facts.Etcd{{
			Config: etcdconfig.Effective{NotEvaluated: "a file", DataDir: dir, WALDir: "/not/there"},
			Files:  map[string]facts.File{dir: {Path: hostfacts.Path{Exists: true, Mode: fs.ModeDir | 0o750, UID: 1, GID: 2, Owner: "etcd"}}},
		}},
		APIServers: []facts.APIServer{{NotEvaluated: "a unit", Encryption: &facts.EncryptionFile{
			Config: storedconfig.Config(t, storedconfig.Entry("secrets", storedconfig.Identity, storedconfig.KMS("v2", "p")), storedconfig.Entry("configmaps", storedconfig.Keys("aescbc", "k"))),
		}}},
	}
	r := &auditv1.Report{}
	addHost(r, h, record.Input{})
	if diff := cmp.Diff([]*auditv1.File{{Setting: "data-dir", Path: dir, Mode: "0750", Uid: 1, Gid: 2, Owner: "etcd"}}, r.Configurations[0].Files, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if r.Configurations[0].Unknown != "a file" || r.Configurations[1].Unknown != "a unit" {
		t.Errorf("what is not known is not said: %v", r.Configurations)
	}
	want := []*auditv1.EncryptionRule{{Resource: "configmaps", Providers: []string{"aescbc k"}}, {Resource: "secrets", Providers: []string{"identity", "kms v2 p at unix:///run/kms.sock"}}}
	if diff := cmp.Diff(want, r.Configurations[1].EncryptionFile.Rules, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
