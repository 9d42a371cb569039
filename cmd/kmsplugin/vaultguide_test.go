package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/testkit"
)

// TestTheCommandsOfTheVaultGuideWork makes the requests that Vault's CLI would
// make of the commands in docs/vault-admin.md, in their order. The one that stops a
// cluster comes last.
func TestTheCommandsOfTheVaultGuideWork(t *testing.T) {
	text := testkit.Must(os.ReadFile("../../docs/vault-admin.md"))(t)
	l := newLab(t)
	ran, name, stop := 0, "", ""
	for line := range strings.Lines(string(text)) {
		command, indented := strings.CutPrefix(strings.TrimSpace(line), "vault ")
		if pipe := strings.Index(line, "| vault policy write"); pipe >= 0 && strings.HasPrefix(line, "    kmsplugin policy") {
			status, policy, errs := run(t, "policy", "--config", "../../deploy/kmsplugin.yaml")
			if status != 0 {
				t.Fatal(errs)
			}
			ran++
			name = strings.Fields(line[pipe:])[4]
			if _, pattern, ok := strings.Cut(line[:pipe], "grep '^"); ok {
				stop = startingWith(policy, strings.TrimSuffix(strings.TrimSpace(pattern), "'"))
				continue
			}
			l.check(l.vault.PutPolicy(l.ctx, name, policy))
			continue
		}
		if !indented || !strings.HasPrefix(line, "    ") {
			continue
		}
		if err := l.cli(strings.Fields(command)); err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(line), err)
		}
		ran++
	}
	if ran < 10 {
		t.Errorf("only %d commands were found", ran)
	}
	// The role that they make is one that a plugin can use.
	client := l.vault.Client().Logical()
	role, err := client.ReadWithContext(l.ctx, "auth/approle/role/kmsplugin/role-id")
	l.check(err)
	secret, err := client.WriteWithContext(l.ctx, "auth/approle/role/kmsplugin/secret-id", nil)
	l.check(err)
	r := l.role(l.printed())
	r.RoleID, _ = role.Data["role_id"].(string)
	id, _ := secret.Data["secret_id"].(string)
	l.check(os.WriteFile(r.SecretIDFile, []byte(id), 0o600))
	p := l.start(r, nil)
	l.check(p.WaitServing(l.ctx))
	sealed := l.seal(p)
	l.open(p, sealed)
	if strings.Count(stop, "\n") != 3 {
		t.Fatalf("the policy that stops a cluster is %q", stop)
	}
	l.check(l.vault.PutPolicy(l.ctx, name, stop))
	l.check(p.Until(l.ctx, "serve nothing", func(ctx context.Context) error {
		_, err := p.KMS().Status(ctx, &kms.StatusRequest{})
		if status.Code(err) != codes.PermissionDenied || strings.Contains(err.Error(), "not confirmed yet") {
			return fmt.Errorf("Status says %w", err)
		}
		return nil
	}))
	if _, err := p.KMS().Decrypt(l.ctx, sealed); status.Code(err) != codes.PermissionDenied {
		t.Errorf("it opens what it holds: %v", err)
	}
}

// startingWith is what grep leaves of a text.
func startingWith(text, prefix string) string {
	var left strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			left.WriteString(line)
		}
	}
	return left.String()
}

// cli makes the request of one command, as far as the guide uses them.
func (l *lab) cli(args []string) error {
	verb := args[0]
	if verb == "secrets" || verb == "auth" || verb == "audit" {
		verb += " " + args[1]
		args = args[1:]
	}
	var path string
	data := map[string]any{}
	for _, arg := range args[1:] {
		switch name, value, isPair := strings.Cut(arg, "="); {
		case arg == "-f":
		case isPair:
			data[name] = value
		case path == "":
			path = arg
		default:
			return fmt.Errorf("this test does not know the argument %s", arg)
		}
	}
	client := l.vault.Client()
	switch verb {
	case "write":
		_, err := client.Logical().WriteWithContext(l.ctx, path, data)
		return err
	case "read":
		secret, err := client.Logical().ReadWithContext(l.ctx, path)
		if err == nil && secret == nil {
			err = errors.New("nothing is there")
		}
		return err
	case "secrets enable":
		return unlessEnabled(client.Sys().MountWithContext(l.ctx, path, &api.MountInput{Type: path}))
	case "auth enable":
		return unlessEnabled(client.Sys().EnableAuthWithOptionsWithContext(l.ctx, path, &api.EnableAuthOptions{Type: path}))
	case "audit enable":
		file := filepath.Join(l.TempDir(), "audit.log") // not in the place that the guide names
		return client.Sys().EnableAuditWithOptionsWithContext(l.ctx, path, &api.EnableAuditOptions{Type: path, Options: map[string]string{"file_path": file}})
	default:
		return fmt.Errorf("this test does not know the command %s", verb)
	}
}

// unlessEnabled accepts that the test's Vault has an engine already.
func unlessEnabled(err error) error {
	if e, ok := errors.AsType[*api.ResponseError](err); ok && e.StatusCode == http.StatusBadRequest && strings.Contains(e.Error(), "path is already in use") {
		return nil
	}
	return err
}
