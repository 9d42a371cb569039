package config

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

const manifestWithEncryption = `apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  containers:
  - name: kube-apiserver
    image: registry.k8s.io/kube-apiserver:v1.37.1
    command:
    - kube-apiserver
    - --encryption-provider-config=/etc/kubernetes/enc.yaml
    - --etcd-servers=https://127.0.0.1:2379
    volumeMounts: [{mountPath: /etc/kubernetes/enc.yaml, name: enc}]
  volumes: [{name: enc, hostPath: {path: /etc/kubernetes/enc.yaml}}]
`

// storeOf is an etcd that holds these keys, none of them of a Secret that was encrypted.
func storeOf(keys []string) []facts.Store {
	if len(keys) == 0 {
		return nil
	}
	scope := record.Scope{Layer: record.Live, Prefix: "/registry/", Sources: []record.Input{{Name: "https://127.0.0.1:2379"}}, Keys: int64(len(keys))}
	inv := inventory.New("/registry", nil)
	for _, key := range keys {
		inv.Add(record.Record{Key: []byte(key), Value: []byte("k8s\x00"), Origin: record.Origin{Layer: record.Live}})
	}
	return []facts.Store{{Scope: scope, Inventory: inv}}
}

// compared is an oracle about a configuration beside an etcd. One without a namespace is not
// what an API server keeps its Secrets in: it makes the namespace "default" when it starts.
func compared(keys []string, o oracle[string]) oracle[string] {
	if len(keys) == 0 || slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(key, "/registry/namespaces/") }) {
		return o
	}
	return func(context.Context, string) (opinion, string, error) {
		return unclear, "no API server keeps its objects under /registry of this etcd", nil
	}
}

// loadedEncrypts: does the API server's own code encrypt a Secret under the configuration of
// a tree?
func loadedEncrypts(ctx context.Context, root string) (opinion, string, error) {
	loaded, err := encryptionconfig.LoadEncryptionConfig(ctx, filepath.Join(root, "etc/kubernetes/enc.yaml"), false, "")
	if err != nil {
		return 0, "", err
	}
	transformer := encryptionconfig.StaticTransformers(loaded.Transformers).TransformerForResource(schema.GroupResource{Resource: "secrets"})
	stored, err := transformer.TransformToStorage(ctx, []byte(secretValue), value.DefaultContext("/registry/secrets/default/corpus"))
	switch {
	case err != nil:
		return 0, "", err
	case bytes.HasPrefix(stored, []byte("k8s:enc:")):
		return good, fmt.Sprintf("k8s.io/apiserver stores %.20q", stored), nil
	}
	return bad, "k8s.io/apiserver stores plaintext", nil
}
