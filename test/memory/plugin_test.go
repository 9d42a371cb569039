package memory

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/internal/rig"
	"github.com/sealproof/sealproof/test/testkit"
)

const keyName = "kubernetes"

// Only root can look at a plugin that runs, which is the first thing that this
// shows where it is not root that runs it.
func TestWhatAPluginThatVaultRefusesLeavesInMemory(t *testing.T) {
	ctx := t.Context()
	c := clustertest.New(t, components.Vault, components.KMSPlugin)
	vault, role := rig.StartVault(ctx, t, c, 1, keyName)
	p := testkit.Must(c.StartPlugin(ctx, cluster.PluginOptions{Vault: vault, Role: role, Key: keyName,
		Config: map[string]any{"probe-interval": "500ms", "probe-interval-failing": "500ms", "promotion-delay": "2s", "on-refusal": "drop"}}))(t)

	key := testkit.Must(localKEK(ctx, vault, testkit.Must(p.KeyID(ctx))(t)))(t)
	held, err := scan(p.PID(), key)
	if os.Geteuid() != 0 {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a process of the same user can look into the plugin: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if held.expanded == 0 {
		t.Error("the key is not found even while it is in use: this test looks for the wrong thing")
	}

	testkit.Check(t, vault.PutPolicy(ctx, "kmsplugin", cluster.TokenPolicy))
	if err := cluster.Until(ctx, func(ctx context.Context) error {
		log, err := p.Log()
		if err == nil && !strings.Contains(log, "a local key is dropped") {
			err = errors.New("the local key is not dropped yet")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	collect(t, p)
	dropped := testkit.Must(scan(p.PID(), key))(t)
	t.Logf("the key, its round keys and its text in base64: %d, %d and %d times while held; %d, %d and %d after it was dropped and collected",
		held.key, held.expanded, held.text, dropped.key, dropped.expanded, dropped.text)
}

// localKEK makes the local KEK of a key_id's first version as docs/formats.md
// says, with what only an administrator of Vault may ask for.
func localKEK(ctx context.Context, vault *cluster.Vault, keyID string) ([]byte, error) {
	b := envelope.Binding{Cluster: "test", KeyID: keyID}
	secret, err := vault.Client().Logical().WriteWithContext(ctx, cluster.TransitMount+"/hmac/"+keyName+"/sha2-256",
		map[string]any{"input": base64.StdEncoding.EncodeToString(b.DeriveLabel()), "key_version": 1})
	if err != nil {
		return nil, err
	}
	text, _ := secret.Data["hmac"].(string)
	mac, err := base64.StdEncoding.DecodeString(text[strings.LastIndex(text, ":")+1:])
	if err != nil {
		return nil, err
	}
	return envelope.DeriveKEK(mac, b)
}

// collect makes the plugin allocate until its collector has run three more times.
func collect(t *testing.T, p *cluster.Plugin) {
	t.Helper()
	cycles := func() float64 {
		n, ok := testkit.Must(p.Metrics(t.Context()))(t).Sum("go_gc_duration_seconds")
		if !ok {
			t.Fatal("the plugin does not count its collections")
		}
		return n
	}
	goal := cycles() + 3
	if err := cluster.Until(t.Context(), func(ctx context.Context) error {
		for range 1000 {
			_, _ = p.KMS().Status(ctx, &kms.StatusRequest{}) // refused, which is as good
		}
		if n := cycles(); n < goal {
			return fmt.Errorf("%g collections of %g", n, goal)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
