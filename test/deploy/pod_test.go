package deploy

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
)

func staticPod(t *testing.T) (corev1.Pod, corev1.Container) {
	t.Helper()
	pod := decode[corev1.Pod](t, read(t, "deploy/static-pod/kmsplugin.yaml"))
	if len(pod.Spec.Containers) != 1 || len(pod.Spec.InitContainers)+len(pod.Spec.EphemeralContainers) > 0 {
		t.Fatal("the pod has other containers than the plugin's")
	}
	return pod, pod.Spec.Containers[0]
}

// nodeCritical is the number behind system-node-critical.
const nodeCritical = 2000001000

func TestTheStaticPodHasNoMoreRightsThanItNeeds(t *testing.T) {
	pod, c := staticPod(t)
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	podContext, own := pod.Spec.SecurityContext, c.SecurityContext
	if podContext == nil || own == nil {
		t.Fatal("there is no security context")
	}
	for what, ok := range map[string]bool{
		"runs as a user that is not root": is(podContext.RunAsNonRoot, true) && podContext.RunAsUser != nil && *podContext.RunAsUser > 0 &&
			podContext.RunAsGroup != nil && *podContext.RunAsGroup > 0 && own.RunAsUser == nil && own.RunAsNonRoot == nil,
		"has the runtime's seccomp profile": podContext.SeccompProfile != nil && podContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault &&
			own.SeccompProfile == nil,
		"cannot gain privileges":                  is(own.AllowPrivilegeEscalation, false),
		"is not privileged":                       is(own.Privileged, false),
		"has a read-only root":                    is(own.ReadOnlyRootFilesystem, true),
		"has no capability":                       own.Capabilities != nil && slices.Equal(own.Capabilities.Drop, []corev1.Capability{"ALL"}) && len(own.Capabilities.Add) == 0,
		"sees no other process":                   !pod.Spec.HostPID && !pod.Spec.HostIPC && !is(pod.Spec.ShareProcessNamespace, true),
		"has no service account's token":          is(pod.Spec.AutomountServiceAccountToken, false) && pod.Spec.ServiceAccountName == "",
		"gets no service environment":             is(pod.Spec.EnableServiceLinks, false),
		"asks for CPU and memory":                 !c.Resources.Requests.Cpu().IsZero() && !c.Resources.Requests.Memory().IsZero(),
		"has a limit of memory":                   !c.Resources.Limits.Memory().IsZero(),
		"is never evicted":                        pod.Spec.PriorityClassName == "system-node-critical" && pod.Namespace == "kube-system",
		"is not ended first at a node's shutdown": pod.Spec.Priority != nil && *pod.Spec.Priority == nodeCritical,
		"restarts always":                         pod.Spec.RestartPolicy == corev1.RestartPolicyAlways,
		"has time to drain":                       pod.Spec.TerminationGracePeriodSeconds != nil && *pod.Spec.TerminationGracePeriodSeconds > 5,
		"does not pull what it has":               c.ImagePullPolicy == corev1.PullIfNotPresent,
		"resolves names as its node":              pod.Spec.HostNetwork && pod.Spec.DNSPolicy == corev1.DNSDefault,
	} {
		if !ok {
			t.Errorf("it is not true that the pod %s", what)
		}
	}
}

// A static pod starts before there is an API server to ask.
func TestTheStaticPodUsesNothingOfTheCluster(t *testing.T) {
	pod, c := staticPod(t)
	// Go's own goal for its memory is the one thing that no configuration can set.
	if len(c.EnvFrom) > 0 || len(c.Env) != 1 || c.Env[0].Name != "GOMEMLIMIT" || c.Env[0].ValueFrom != nil {
		t.Errorf("it has the environment %v; what it needs is in its configuration", c.Env)
	}
	wantReadOnly := map[string]bool{socketDir: false, filepath.Dir(configFile): true}
	paths := map[string]string{}
	for _, v := range pod.Spec.Volumes {
		if v.HostPath == nil || v.HostPath.Type == nil || *v.HostPath.Type != corev1.HostPathDirectory {
			t.Fatalf("volume %s is no directory of the node that must exist", v.Name)
		}
		paths[v.Name] = v.HostPath.Path
	}
	for _, m := range c.VolumeMounts {
		readOnly, wanted := wantReadOnly[m.MountPath]
		if !wanted || m.ReadOnly != readOnly || paths[m.Name] != m.MountPath {
			t.Errorf("mounts %s from %q, read-only: %v", m.MountPath, paths[m.Name], m.ReadOnly)
		}
		delete(wantReadOnly, m.MountPath)
	}
	if len(wantReadOnly) > 0 || len(paths) != len(c.VolumeMounts) {
		t.Errorf("not mounted: %v", wantReadOnly)
	}
}

func TestTheStaticPodsFlagsAndProbesAreThePluginsOwn(t *testing.T) {
	_, c := staticPod(t)
	if len(c.Command) > 0 {
		t.Error("it replaces the image's entry point")
	}
	config := effective(t, "deploy/kmsplugin.yaml", c.Args)
	socket, _ := config["socket"].(map[string]any)
	if socket["path"] != socketPath || socket["takeover"] != true {
		t.Errorf("the socket is %v", socket)
	}
	host, port, err := net.SplitHostPort(config["listen"].(string))
	if err != nil {
		t.Fatal(err)
	}
	probes := map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe}
	for name, p := range probes {
		if p == nil || p.HTTPGet == nil {
			t.Errorf("there is no %s probe over HTTP", name)
			continue
		}
		if p.HTTPGet.Path != "/livez" {
			t.Errorf("the %s probe asks %s, which depends on Vault", name, p.HTTPGet.Path)
		}
		if p.HTTPGet.Host != host || p.HTTPGet.Port.String() != port {
			t.Errorf("the %s probe asks %s:%s, the plugin listens on %s:%s", name, p.HTTPGet.Host, p.HTTPGet.Port.String(), host, port)
		}
	}
}

func TestTheSocketsDirectoryBelongsToTheStaticPodsUser(t *testing.T) {
	pod, _ := staticPod(t)
	var lines []string
	for line := range strings.Lines(string(read(t, "deploy/static-pod/tmpfiles.conf"))) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		t.Fatalf("found %d lines", len(lines))
	}
	fields := strings.Fields(lines[0])
	user := pod.Spec.SecurityContext.RunAsUser
	if want := []string{"d", socketDir, "0755", itoa(*user), itoa(*pod.Spec.SecurityContext.RunAsGroup), "-"}; !slices.Equal(fields, want) {
		t.Errorf("tmpfiles.conf says %q, want %q", fields, want)
	}
}

// What no type can say, such as that a host port needs a host network, Kubernetes'
// own validation knows.
func TestARealAPIServerTakesTheStaticPod(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := newCluster(t)
	etcd := testkit.Must(c.StartEtcd(ctx, 1))(t)
	a := testkit.Must(c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: etcd}))(t)
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	pod, _ := staticPod(t)
	if _, err := a.Client().CoreV1().Pods(pod.Namespace).Create(ctx, &pod, options); err != nil {
		t.Errorf("refused: %v", err)
	}
	wrong := pod.DeepCopy()
	wrong.Spec.Containers[0].VolumeMounts[0].Name = "nothing"
	if _, err := a.Client().CoreV1().Pods(pod.Namespace).Create(ctx, wrong, options); err == nil {
		t.Error("a pod that mounts a volume which does not exist was taken as well: nothing is checked")
	}
}
