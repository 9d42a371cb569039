package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// What a real API server writes with aesgcm has nonces of its own; a value that has the nonce of
// another is found, and a copy of one is not taken for that.
func TestNoncesOfARealAPIServerAreCompared(t *testing.T) {
	ctx := t.Context()
	encryption := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n" +
		"  providers: [{aesgcm: {keys: [{name: 'k:1', secret: " + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "}]}}]\n"
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e := testkit.Must(c.StartEtcd(ctx, 1))(t)
	api := testkit.Must(c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: e, Encryption: encryption}))(t)
	for i := range 5 {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("s", i)}, Data: map[string][]byte{"a": []byte("b")}}
		testkit.Must(api.Client().CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}))(t)
	}
	use(t, e)
	statuses := func() (writes, nonces auditv1.Status) {
		r, _ := reportOf(t, "scan", "--encryption-provider-config", file(t, encryption))
		return checkOf(t, r, "EA-162").Status, checkOf(t, r, "EA-163").Status
	}
	if writes, nonces := statuses(); writes != auditv1.Status_STATUS_PASS || nonces != auditv1.Status_STATUS_PASS {
		t.Errorf("of what the API server wrote: %v, %v", writes, nonces)
	}
	kv := testkit.Must(e.Get(ctx, "/registry/secrets/default/s0", 0))(t)
	testkit.Must(e.Client().Put(ctx, "/registry/secrets/default/copied", string(kv.Value)))(t)
	if _, nonces := statuses(); nonces != auditv1.Status_STATUS_PASS {
		t.Errorf("with a copy: %v", nonces)
	}
	other := bytes.Clone(kv.Value)
	other[len(other)-1] ^= 1
	testkit.Must(e.Client().Put(ctx, "/registry/secrets/default/other", string(other)))(t)
	if _, nonces := statuses(); nonces != auditv1.Status_STATUS_FAIL {
		t.Errorf("with a nonce that was used twice: %v", nonces)
	}
}
