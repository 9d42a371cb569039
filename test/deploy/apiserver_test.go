package deploy

import (
	"encoding/base64"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// apiServerFlags are what every way of installing must tell the API server.
var apiServerFlags = []string{
	"encryption-provider-config=" + encryptionFile,
	"encryption-provider-config-automatic-reload=true",
}

func TestTheAPIServerKnowsTheFlags(t *testing.T) {
	help := output(t, ".", binaries(t).Path(components.APIServer), "--help")
	for _, flag := range apiServerFlags {
		name, _, _ := strings.Cut(flag, "=")
		if !strings.Contains(help, "--"+name+" ") {
			t.Errorf("kube-apiserver has no flag --%s", name)
		}
	}
}

// The manifest in testdata is what kubeadm writes for a control plane, shortened.
func TestTheKubeadmPatchGivesTheAPIServerItsFlagsAndFiles(t *testing.T) {
	const file = "deploy/kubeadm/kube-apiserver0+json.yaml"
	// How kubeadm finds target and kind (cmd/kubeadm/app/util/patches).
	if target, kind, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".yaml"), "+"); strings.TrimRight(target, "0123456789") != "kube-apiserver" || kind != "json" {
		t.Errorf("kubeadm does not know patches called %s", filepath.Base(file))
	}
	operations := testkit.Must(yaml.YAMLToJSON(read(t, file)))(t)
	patch := testkit.Must(jsonpatch.DecodePatch(operations))(t)
	manifest := testkit.Must(yaml.YAMLToJSON(read(t, "test/deploy/testdata/kube-apiserver.yaml")))(t)
	before := decode[corev1.Pod](t, manifest)
	patched := testkit.Must(patch.Apply(manifest))(t)
	pod := decode[corev1.Pod](t, patched)
	c := pod.Spec.Containers[0]
	want := slices.Clone(before.Spec.Containers[0].Command)
	for _, flag := range apiServerFlags {
		want = append(want, "--"+flag)
	}
	if !slices.Equal(c.Command, want) {
		t.Errorf("the command is %q, want %q", c.Command, want)
	}
	if len(pod.Spec.Volumes) != len(before.Spec.Volumes)+2 {
		t.Errorf("there are %d volumes, before %d", len(pod.Spec.Volumes), len(before.Spec.Volumes))
	}
	for _, dir := range []string{socketDir, filepath.Dir(encryptionFile)} {
		m := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == dir })
		if m < 0 {
			t.Errorf("%s is not mounted", dir)
			continue
		}
		v := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == c.VolumeMounts[m].Name })
		if v < 0 || pod.Spec.Volumes[v].HostPath == nil || pod.Spec.Volumes[v].HostPath.Path != dir || !c.VolumeMounts[m].ReadOnly {
			t.Errorf("%s is not that directory of the node, read-only", dir)
		}
	}
}

func TestRancherConfigurationsGiveTheAPIServerItsFlagsAndFiles(t *testing.T) {
	type config struct {
		Args   []string `json:"kube-apiserver-arg+"`
		Mounts []string `json:"kube-apiserver-extra-mount+"`
	}
	rke2 := decode[config](t, read(t, "deploy/rke2/sealproof.yaml"))
	k3s := decode[config](t, read(t, "deploy/k3s/sealproof.yaml"))
	for name, c := range map[string]config{"rke2": rke2, "k3s": k3s} {
		if !slices.Equal(c.Args, apiServerFlags) {
			t.Errorf("%s: the flags are %q", name, c.Args)
		}
	}
	var want []string
	for _, dir := range []string{filepath.Dir(encryptionFile), socketDir} {
		want = append(want, dir+":"+dir+":ro")
	}
	if !slices.Equal(rke2.Mounts, want) {
		t.Errorf("the mounts are %q, want %q", rke2.Mounts, want)
	}
	if k3s.Mounts != nil {
		t.Error("k3s has no API server in a container of its own")
	}
}

// The examples are decoded and validated by the API server's own code.
func TestEncryptionConfigurationsAreValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/encryption/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder()
	for _, file := range append(files, filepath.Join(root, "deploy/encryption-configuration.yaml")) {
		name := testkit.Must(filepath.Rel(root, file))(t)
		t.Run(name, func(t *testing.T) {
			text := string(read(t, name))
			check := func(text string) (*apiserver.EncryptionConfiguration, error) {
				object, _, err := decoder.Decode([]byte(text), nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				c, ok := object.(*apiserver.EncryptionConfiguration)
				if !ok {
					t.Fatalf("it is a %T", object)
				}
				// With automatic reload, as everything here sets it.
				return c, validation.ValidateEncryptionConfiguration(c, true).ToAggregate()
			}
			filled := strings.ReplaceAll(text, "REPLACE-ME", base64.StdEncoding.EncodeToString(make([]byte, 32)))
			c, err := check(filled)
			if err != nil {
				t.Error(err)
			}
			checkProviders(t, filepath.Base(name), c.Resources)
			// A published key must not be usable by mistake.
			if _, err := check(text); strings.Contains(text, "secret:") && err == nil {
				t.Error("it is valid with the key that it is shipped with")
			}
		})
	}
}

func checkProviders(t *testing.T, name string, resources []apiserver.ResourceConfiguration) {
	t.Helper()
	if len(resources) != 1 || !slices.Equal(resources[0].Resources, []string{"secrets"}) {
		t.Fatalf("it is about %v", resources)
	}
	writes := resources[0].Providers[0]
	leaving := strings.HasPrefix(name, "to-")
	if leaving == (writes.KMS != nil) {
		t.Errorf("what writes is %+v", writes)
	}
	found := false
	for _, p := range resources[0].Providers {
		if p.KMS == nil {
			continue
		}
		found = true
		if p.KMS.Endpoint != "unix://"+socketPath || p.KMS.APIVersion != "v2" || p.KMS.Name != "sealproof" {
			t.Errorf("the provider is %+v", p.KMS)
		}
	}
	if !found {
		t.Error("Sealproof does not read")
	}
}
