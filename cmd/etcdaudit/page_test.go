package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/test/browser"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/stored"
)

var images = flag.String("images", "", "directory for pictures of the page of a real run (make page)")

// A page of a real run, as a browser has it: the documents show the same one.
func TestThePageOfARealRun(t *testing.T) {
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	api, err := c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: e})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"db-password", "registry-pull", "tls-wildcard"} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{"password": []byte(stored.Canary)}}
		if _, err := api.Client().CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	use(t, e)
	dir := t.TempDir()
	page, js := filepath.Join(dir, "page.html"), filepath.Join(dir, "report.json")
	if status, out, errs := run(t, "all", "--kubeconfig", api.Kubeconfig(), "-o", "html="+page, "-o", "json="+js); status != 1 || out != "" {
		t.Fatalf("status %d, stdout %q, stderr %q", status, out, errs)
	}
	// What is stored, and read again, is the same page.
	again := filepath.Join(dir, "again.html")
	if status, _, errs := run(t, "report", js, "-o", "html="+again); status != 1 {
		t.Errorf("status %d: %s", status, errs)
	}
	first, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(again); err != nil || !bytes.Equal(first, second) {
		t.Errorf("the page of the stored report differs: %v", err)
	}
	dom := browser.Text(t, page)
	for _, text := range []string{"<title>FAIL", "secrets default/db-password", "3 of 3 Secrets can be read", `id="EA-423"`, e.Endpoints()[0], "X25519MLKEM768", "CN=etcd-ca"} {
		if !strings.Contains(dom, text) {
			t.Errorf("the page has no %q", text)
		}
	}
	if strings.Contains(dom, stored.Canary) {
		t.Error("a value is on the page")
	}
	if *images == "" {
		return
	}
	for name, dark := range map[string]bool{"light": false, "dark": true} {
		png := browser.Small(t, browser.Picture(t, page, browser.View{Width: 1280, Height: 1500, Dark: dark}))
		if err := os.WriteFile(filepath.Join(*images, "report-"+name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
