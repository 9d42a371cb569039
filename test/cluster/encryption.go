package cluster

import (
	"bytes"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"
	"sigs.k8s.io/yaml"
)

// KMSProvider is one KMS v2 provider of an EncryptionConfiguration.
type KMSProvider struct {
	// Name ends up in every stored object.
	Name string
	// Socket is the absolute path of the plugin's unix socket.
	Socket string
}

// EncryptSecrets returns the text of an EncryptionConfiguration for Secrets
// that writes with the first of the providers and reads with all of them, and
// with identity, which is always last. Without providers nothing is encrypted.
func EncryptSecrets(providers ...KMSProvider) (string, error) {
	var list []apiserverv1.ProviderConfiguration
	for _, p := range providers {
		list = append(list, apiserverv1.ProviderConfiguration{KMS: &apiserverv1.KMSConfiguration{
			APIVersion: "v2", Name: p.Name, Endpoint: "unix://" + p.Socket,
		}})
	}
	list = append(list, apiserverv1.ProviderConfiguration{Identity: &apiserverv1.IdentityConfiguration{}})
	text, err := yaml.Marshal(apiserverv1.EncryptionConfiguration{
		TypeMeta:  metav1.TypeMeta{APIVersion: "apiserver.config.k8s.io/v1", Kind: "EncryptionConfiguration"},
		Resources: []apiserverv1.ResourceConfiguration{{Resources: []string{"secrets"}, Providers: list}},
	})
	if err != nil {
		return "", fmt.Errorf("write an EncryptionConfiguration: %w", err)
	}
	return string(text), nil
}

// Envelope is what stands around one value in etcd.
type Envelope struct {
	// Provider is the name in the EncryptionConfiguration.
	Provider string
	// Object holds the key_id, the encrypted DEK source and the annotations.
	Object *kmstypes.EncryptedObject
}

// ParseEnvelope takes a value apart that was written by a KMS v2 provider, with
// kube-apiserver's own types. ok is false for any other value.
func ParseEnvelope(value []byte) (e Envelope, ok bool) {
	rest, ok := bytes.CutPrefix(value, []byte("k8s:enc:kms:v2:"))
	if !ok {
		return Envelope{}, false
	}
	name, body, ok := bytes.Cut(rest, []byte(":"))
	if !ok {
		return Envelope{}, false
	}
	object := new(kmstypes.EncryptedObject)
	if err := proto.Unmarshal(body, object); err != nil {
		return Envelope{}, false
	}
	return Envelope{Provider: string(name), Object: object}, true
}

// SecretKey is the key under which kube-apiserver keeps a Secret in etcd.
func SecretKey(namespace, name string) string {
	return strings.Join([]string{"/registry/secrets", namespace, name}, "/")
}
