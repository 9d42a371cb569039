package etcdconfig

import (
	"strings"
	"testing"
	"time"
)

func FuzzMerge(f *testing.F) {
	for _, file := range generateFiles(1, 50) {
		f.Add(uint8(0), "--config-file=x", "", file)
	}
	for _, args := range []string{"--name\x00a\x00--client-cert-auth\x00true", "-data-dir=/x\x00--\x00--name=b", "--listen-client-urls=http://a:1,,unix://", "--feature-gates=A=true"} {
		f.Add(uint8(1), args, "ETCD_NAME=x\x00ETCD_CONFIG_FILE=\x00ETCD_CORS=*", "")
	}
	f.Add(uint8(2), "--config-file=x", "", "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b]\n")
	f.Add(uint8(2), "--config-file=x", "", "a: &a {<<: *a}\n"+strings.Repeat("[", 200))
	f.Fuzz(func(t *testing.T, minor uint8, args, env, file string) {
		in := Input{
			Release: Release{3, int(minor % 10)}, Args: strings.Split(args, "\x00"), Env: strings.Split(env, "\x00"), File: []byte(file),
		}
		began := time.Now()
		e := Merge(in)
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("it takes %v", d)
		}
		if e.NotEvaluated == "" && len(e.Settings) == 0 {
			t.Error("there are no settings")
		}
		for _, url := range e.ListenClient {
			if auth := e.ClientAuth(url); auth == 0 || strings.HasPrefix(url, "http://") && auth != Nothing {
				t.Errorf("at %s clients have to show %d", url, auth)
			}
		}
		for _, v := range e.Voids {
			if v.Why == "" || v.Origin.Text == "" {
				t.Errorf("a void does not say why and where: %+v", v)
			}
		}
	})
}
