package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// encrypting is a configuration that encrypts some resources, and others by identity before them.
func encrypting(resources string, before ...string) string {
	text := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
	for _, plain := range before {
		text += "- {resources: [" + plain + "], providers: [{identity: {}}]}\n"
	}
	return text + "- resources: [" + resources + "]\n  providers: [{kms: {apiVersion: v2, name: p, endpoint: 'unix:///s'}}, {identity: {}}]\n"
}

func TestWhatAConfigurationEncryptsIsSearchedByItsKind(t *testing.T) {
	for name, tc := range map[string]struct {
		config string
		with   []carve.Resource
		not    []string // paths
	}{
		"by name": {encrypting("secrets, configmaps, deployments.apps, services"), []carve.Resource{
			{Path: "configmaps", Kind: "ConfigMap"}, {Path: "deployments", Group: "apps", Kind: "Deployment"}, {Path: "services/specs", Kind: "Service"},
		}, []string{"secrets", "pods"}},
		"custom":         {encrypting("widgets.example.com"), []carve.Resource{{Path: "example.com/widgets", Group: "example.com"}}, nil},
		"a group":        {encrypting("'*.apps'"), []carve.Resource{{Path: "statefulsets", Group: "apps", Kind: "StatefulSet"}}, []string{"pods"}},
		"the core group": {encrypting("'*.'"), []carve.Resource{{Path: "pods", Kind: "Pod"}}, []string{"statefulsets"}},
		"all but some":   {encrypting("'*.*'", "pods"), []carve.Resource{{Path: "ingress", Group: "networking.k8s.io", Kind: "Ingress"}}, []string{"pods", "masterleases"}},
		"nothing":        {encrypting("secrets"), nil, []string{"secrets", "configmaps"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := testkit.Must(encryptionconfig.Load(file(t, tc.config)))(t)
			all := covered(c)
			for _, want := range tc.with {
				if !slices.Contains(all, want) {
					t.Errorf("%+v is not in %+v", want, all)
				}
			}
			for _, r := range all {
				if slices.Contains(tc.not, r.Path) {
					t.Errorf("%+v is not encrypted", r)
				}
			}
		})
	}
}

// Behind the last page nothing but the object's own names tells what it is.
func TestOtherResourcesAreFoundWithoutTheirKeys(t *testing.T) {
	e := startEtcd(t)
	commit(t, e, clientv3.OpPut("/registry/namespaces/kube-system", stored.KMSv2("p", "k", 1)), clientv3.OpPut("/registry/secrets/shop/a", stored.KMSv2("p", "k", 1)))
	testkit.Check(t, e.Stop(t.Context()))
	db := filepath.Join(e.Member(0).DataDir, "member/snap/db")
	behindTheLastPage(t, db, strings.ReplaceAll(plain("settings"), `"Secret"`, `"ConfigMap"`))
	for _, resources := range []string{"secrets, configmaps", "'*.*'"} {
		r := jsonReport(t, "scan", db, "--encryption-provider-config", file(t, encrypting(resources)))
		if names := objectsIn(t, r, "EA-122", "free-pages"); !slices.Equal(names, []string{"settings"}) {
			t.Errorf("%s: %q", resources, names)
		}
	}
	if c := checkOf(t, jsonReport(t, "scan", db, "--encryption-provider-config", file(t, encrypting("secrets"))), "EA-122"); c.Status != auditv1.Status_STATUS_PASS {
		t.Errorf("what is not encrypted: %v", c)
	}
}
