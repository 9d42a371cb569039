package faults

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/internal/rig"
)

// accessFaults are what becomes of logins, policies and the key.
func accessFaults(t *testing.T, results *results) {
	p := newPlane(t, results)
	p.loginFaults(t)
	p.policyFaults(t)
	p.keyFaults(t)
	p.prove(t, p.api)
}

func (p *plane) loginFaults(t *testing.T) {
	t.Helper()
	revoke := func(t *testing.T) { t.Helper(); check(t, p.vault.RevokeLogins(p.ctx, "approle")) }
	nothing := func(*testing.T) {}
	newSecretID := func(t *testing.T) { t.Helper(); check(t, p.vault.RenewSecretID(p.ctx, p.role)) }

	p.run(t, &fault{
		name: "token revoked", how: "every token of the auth mount revoked",
		inject: revoke, heal: nothing, want: serves(),
	})
	p.run(t, &fault{
		name: "secret-id replaced", how: "new secret-id in the file, the old one destroyed, tokens revoked",
		inject: func(t *testing.T) {
			old := must(os.ReadFile(p.role.SecretIDFile))(t)
			newSecretID(t)
			p.put(t, "auth/approle/role/"+p.role.Name+"/secret-id/destroy", map[string]any{"secret_id": string(old)})
			revoke(t)
		},
		heal: nothing, want: serves(),
	})
	p.run(t, &fault{
		name: "secret-id expired", how: "secret-id with a life of 1 s, tokens revoked; later a new one",
		inject: func(t *testing.T) {
			check(t, p.vault.SecretIDFor(p.ctx, p.role, time.Second))
			p.waitLoginRefused(t)
			revoke(t)
			p.waitState(t, "credentials")
		},
		heal: newSecretID, // Vault has not locked the role out: the plugin did not insist
		want: carriesOn(codes.Unauthenticated),
		says: []string{"Vault does not know the role-id, or not this secret-id"},
	})
	p.run(t, &fault{
		name: "tokens bound to another address", how: "`token_bound_cidrs` of the role, tokens revoked; every new login succeeds, and its token is refused",
		inject: func(t *testing.T) {
			p.put(t, "auth/approle/role/"+p.role.Name, map[string]any{"token_bound_cidrs": "192.0.2.0/24"})
			revoke(t)
			p.waitState(t, "credentials")
		},
		heal: func(t *testing.T) {
			p.put(t, "auth/approle/role/"+p.role.Name, map[string]any{"token_bound_cidrs": ""})
		},
		want: carriesOn(codes.Unauthenticated),
		says: []string{"the token's look-up of itself"},
	})
	p.run(t, &fault{
		name: "token expired while Vault was away", how: "tokens with a life of 3 s; toxiproxy refuses connections for 4 s",
		inject: func(t *testing.T) {
			p.put(t, "auth/approle/role/"+p.role.Name, map[string]any{"token_ttl": "3s"})
			revoke(t)
			p.waitWhole(t) // with tokens that soon expire
			p.wrap(t, callers)
			p.proxy.Cut()
			// The one thing to wait for here is that time has passed in Vault.
			p.waitTokensExpired(t)
			p.waitState(t, "outage")
		},
		heal: func(t *testing.T) {
			check(t, p.proxy.Heal(p.ctx))
			p.put(t, "auth/approle/role/"+p.role.Name, map[string]any{"token_ttl": "0"})
		},
		want: carriesOn(codes.Unavailable),
	})
	p.run(t, &fault{
		name: "auth mount disabled", how: "`sys/auth` (its tokens go with it), later enabled and set up anew",
		inject: func(t *testing.T) {
			check(t, p.vault.Client().Sys().DisableAuthWithContext(p.ctx, "approle"))
			p.waitState(t, "credentials")
		},
		heal: func(t *testing.T) {
			check(t, p.vault.EnableAppRole(p.ctx))
			must(p.vault.AppRole(p.ctx, p.role.Name, rig.Deployed(t, "vault-policy.hcl"), nil))(t)
			p.put(t, "auth/approle/role/"+p.role.Name+"/role-id", map[string]any{"role_id": p.role.RoleID})
			newSecretID(t)
		},
		want: carriesOn(codes.Unauthenticated),
		says: []string{"Vault refuses the login"},
	})
}

func (p *plane) put(t *testing.T, path string, data map[string]any) {
	t.Helper()
	must(p.vault.Client().Logical().WriteWithContext(p.ctx, path, data))(t)
}

// waitLoginRefused waits until Vault no longer takes the secret-id in the file.
func (p *plane) waitLoginRefused(t *testing.T) {
	t.Helper()
	secretID := string(must(os.ReadFile(p.role.SecretIDFile))(t))
	check(t, cluster.Until(p.ctx, func(ctx context.Context) error {
		_, err := p.vault.Client().Logical().WriteWithContext(ctx, "auth/approle/login",
			map[string]any{"role_id": p.role.RoleID, "secret_id": secretID})
		if err == nil {
			return errors.New("the secret-id is still accepted")
		}
		return nil
	}))
}

// waitTokensExpired waits until Vault lists no token but root's.
func (p *plane) waitTokensExpired(t *testing.T) {
	t.Helper()
	check(t, cluster.Until(p.ctx, func(ctx context.Context) error {
		list, err := p.vault.Client().Logical().ListWithContext(ctx, "auth/token/accessors")
		if err != nil {
			return err
		}
		if keys, _ := list.Data["keys"].([]any); len(keys) > 1 {
			return errors.New("a token is left")
		}
		return nil
	}))
}

func (p *plane) policyFaults(t *testing.T) {
	t.Helper()
	deployed := rig.Deployed(t, "vault-policy.hcl")
	giveBack := func(t *testing.T) { t.Helper(); check(t, p.vault.PutPolicy(p.ctx, p.role.Name, deployed)) }

	p.run(t, &fault{
		name: "policy removed and given back, seen once", how: "the key's lines taken out of the policy, given back before a second probe 5 s later",
		inject: func(t *testing.T) {
			check(t, p.vault.PutPolicy(p.ctx, p.role.Name, cluster.TokenPolicy))
			p.waitState(t, "refusal")
		},
		heal: giveBack,
		want: answers{status: codes.OK, encrypt: codes.PermissionDenied, held: codes.OK, cold: codes.PermissionDenied, direct: codes.PermissionDenied},
	})
	p.run(t, &fault{
		name: "policy deleted", how: "all of it, so that the tokens may not look themselves up; later given back",
		inject: func(t *testing.T) {
			check(t, p.vault.Client().Sys().DeletePolicyWithContext(p.ctx, p.role.Name))
			p.waitState(t, "credentials")
		},
		heal: giveBack,
		want: carriesOn(codes.Unauthenticated),
		says: []string{"the token's look-up of itself"},
	})
	p.run(t, &fault{
		name: "policy wrong, seen twice", how: "policy for another key until two probes 5 s apart have met it",
		inject: func(t *testing.T) {
			check(t, p.vault.PutPolicy(p.ctx, p.role.Name, strings.ReplaceAll(deployed, keyName, "another")))
			p.waitStatus(t, codes.PermissionDenied)
		},
		heal: giveBack,
		want: fails(codes.PermissionDenied),
		says: []string{keyName, "policy denies"},
		end:  "the running API server read and wrote meanwhile; every Secret read",
	})
}

// lost is what must be said of something whose key is gone.
func lost(version string) []string {
	return []string{keyName, "version " + version + " "}
}

func (p *plane) keyFaults(t *testing.T) {
	t.Helper()
	old := must(p.local.KeyID(p.ctx))(t)
	must(p.vault.Rotate(p.ctx, keyName))(t)
	must(p.local.WaitNewKeyID(p.ctx, old))(t)
	must(p.direct.WaitNewKeyID(p.ctx, old))(t)
	check(t, p.api.Restart(p.ctx)) // new seeds at once, under the new version
	p.write(t, "second", 5)

	minimum := func(version int) func(t *testing.T) {
		return func(t *testing.T) {
			check(t, p.vault.ConfigureKey(p.ctx, keyName, map[string]any{"min_decryption_version": version}))
		}
	}
	p.run(t, &fault{
		name: "`min_decryption_version` above what is in use", how: "raised above the version of older Secrets, later lowered",
		inject: func(t *testing.T) { minimum(2)(t); p.waitHeld(t, codes.FailedPrecondition) },
		heal:   minimum(1),
		want:   answers{held: codes.FailedPrecondition, cold: codes.FailedPrecondition},
		says:   lost("1"),
		end:    "refusal names key and version; data under newer versions is served; every Secret read",
	})

	backup := must(p.vault.BackupKey(p.ctx, keyName))(t)
	restore := func(t *testing.T) { t.Helper(); check(t, p.vault.RestoreKey(p.ctx, keyName, backup)) }
	const restored = "refusal names key and version; every Secret read once the key's backup was restored"
	p.run(t, &fault{
		name: "key deleted", how: "`transit/keys`, later restored from its backup",
		inject: func(t *testing.T) {
			check(t, p.vault.DeleteKey(p.ctx, keyName))
			p.waitStatus(t, codes.PermissionDenied)
		},
		heal: restore,
		want: fails(codes.PermissionDenied),
		says: append(lost("1"), "not found"),
		end:  restored,
	})
	onRefusal := func(t *testing.T, setting any) {
		t.Helper()
		for _, plugin := range []*cluster.Plugin{p.local, p.direct} {
			check(t, plugin.Configure(map[string]any{"on-refusal": setting}))
			check(t, plugin.Reload())
		}
	}
	p.run(t, &fault{
		name: "key deleted, glass broken", how: "as above, then `on-refusal: lease` and SIGHUP; later restored, and the setting too",
		inject: func(t *testing.T) {
			check(t, p.vault.DeleteKey(p.ctx, keyName))
			p.waitStatus(t, codes.PermissionDenied)
			onRefusal(t, "lease")
			check(t, p.local.WaitServing(p.ctx))
			check(t, p.direct.WaitServing(p.ctx))
		},
		heal: func(t *testing.T) { restore(t); onRefusal(t, nil) },
		want: answers{cold: codes.PermissionDenied, direct: codes.PermissionDenied},
		says: append(lost("1"), "not found"),
		end:  "refusal names key and version; read and written meanwhile; every Secret read once the key's backup was restored",
	})
	p.run(t, &fault{
		name: "Transit mount disabled", how: "`sys/mounts`, and every key is gone with it; later mounted and the key restored",
		inject: func(t *testing.T) { check(t, p.vault.Unmount(p.ctx, cluster.TransitMount)); p.waitState(t, "outage") },
		heal: func(t *testing.T) {
			check(t, p.vault.MountTransit(p.ctx, cluster.TransitMount))
			restore(t)
		},
		want: carriesOn(codes.Unavailable),
		says: []string{"no secrets engine at this path"},
		end:  "every Secret read once the key's backup was restored",
	})
	p.run(t, &fault{
		name: "Transit mount enabled again, empty", how: "`sys/mounts`; later the key restored",
		inject: func(t *testing.T) {
			check(t, p.vault.Unmount(p.ctx, cluster.TransitMount))
			check(t, p.vault.MountTransit(p.ctx, cluster.TransitMount))
			p.waitStatus(t, codes.PermissionDenied)
		},
		heal: restore,
		want: fails(codes.PermissionDenied),
		says: append(lost("1"), "not found"),
		end:  restored,
	})
	p.run(t, &fault{
		name: "key deleted and created again", how: "between two probes; later the old one restored from its backup",
		inject: func(t *testing.T) {
			before := must(p.local.KeyID(p.ctx))(t)
			check(t, p.vault.DeleteKey(p.ctx, keyName))
			check(t, p.vault.CreateKey(p.ctx, keyName, nil))
			must(p.local.WaitNewKeyID(p.ctx, before))(t)
			must(p.direct.WaitNewKeyID(p.ctx, before))(t)
		},
		heal: func(t *testing.T) {
			check(t, p.vault.DeleteKey(p.ctx, keyName))
			restore(t)
		},
		want:         answers{cold: codes.InvalidArgument},
		says:         lost("1"),
		sealsNothing: true, // what the new key seals is lost with it
		end:          restored,
	})
}

// waitHeld waits until local refuses what it has held.
func (p *plane) waitHeld(t *testing.T, want codes.Code) {
	t.Helper()
	check(t, cluster.Until(p.ctx, func(ctx context.Context) error {
		_, err := p.local.KMS().Decrypt(ctx, p.held)
		if status.Code(err) != want {
			return errors.Join(errors.New("what was held is still opened, or refused otherwise"), err)
		}
		return nil
	}))
}
