package config

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
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
