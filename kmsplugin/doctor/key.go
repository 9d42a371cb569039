package doctor

import (
	"fmt"
	"slices"
	"time"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/vaultfacts"
)

func keyRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-601", Title: "the key can serve", Why: "the plugin refuses a key that does not encrypt with authentication", Run: checkKeyType},
		{ID: "KD-602", Title: "the key cannot be lost", Why: "without the key, every Secret of the cluster is lost for good", Run: checkKeyLoss},
		{ID: "KD-603", Title: "the key cannot leave Vault", Why: "with the key and a copy of etcd, every Secret can be read, and no audit log shows it", Run: checkKeyExport},
		{ID: "KD-604", Title: "the key's versions", Why: "data encrypted with a version that Vault no longer decrypts cannot be read", Run: checkKeyVersions},
		{ID: "KD-605", Title: "automatic rotation", Why: "after each rotation all Secrets should be rewritten; an automatic rotation does not start that", Run: checkAutoRotate},
	}
}

// eachKey runs a check on every key that could be read.
func eachKey(f Facts, run func(subject string, v vaultfacts.Vault, k vaultfacts.Key) []check.Result) []check.Result {
	return eachLogin(f, keyOf, func(subject string, v vaultfacts.Vault) []check.Result {
		if v.Key.Err != "" {
			return []check.Result{check.Unevaluated(subject, v.Key.Err, "see KD-601")}
		}
		return run(subject, v, v.Key)
	})
}

func checkKeyType(f Facts) []check.Result {
	return eachLogin(f, keyOf, func(subject string, v vaultfacts.Vault) []check.Result {
		return []check.Result{checkType(subject, v.Key)}
	})
}

func checkType(subject string, k vaultfacts.Key) check.Result {
	switch {
	case k.Err != "":
		return check.Failed(subject, "the key cannot be read: "+k.Err, "create the key, or correct mount, key and policy. If the key was deleted, restore it from Vault's backup and do not create a new one")
	case !slices.Contains([]string{"aes256-gcm96", "aes128-gcm96", "chacha20-poly1305"}, k.Type):
		return check.Failed(subject, "the key's type is "+k.Type, "create a key of type aes256-gcm96")
	case k.Derived || k.Convergent:
		return check.Failed(subject, "the key is derived or convergent: it needs a context for each request", "create a key without derived=true")
	case k.ImportedKey:
		return check.Warned(subject, "the key was imported: a copy of it exists outside Vault, and it may have no HMAC key, which envelope: local needs", "create a key in Vault")
	default:
		return check.Passed(subject, "type "+k.Type)
	}
}

func checkKeyLoss(f Facts) []check.Result {
	return eachKey(f, func(subject string, _ vaultfacts.Vault, k vaultfacts.Key) []check.Result {
		if k.DeletionAllowed {
			return []check.Result{check.Failed(subject, "deletion_allowed is on: one request that deletes the key destroys all Secrets", "vault write MOUNT/keys/KEY/config deletion_allowed=false")}
		}
		return []check.Result{check.Passed(subject, "deletion_allowed is off")}
	})
}

func checkKeyExport(f Facts) []check.Result {
	return eachKey(f, func(subject string, _ vaultfacts.Vault, k vaultfacts.Key) (all []check.Result) {
		const anew = "this cannot be undone: create a new key without it, move to it (previous), and rewrite all Secrets"
		if k.Exportable {
			all = append(all, check.Failed(subject, "exportable is on", anew))
		}
		if k.AllowPlaintextBackup {
			all = append(all, check.Failed(subject, "allow_plaintext_backup is on", anew))
		}
		if len(all) == 0 {
			all = append(all, check.Passed(subject, "exportable and allow_plaintext_backup are off"))
		}
		return all
	})
}

func checkKeyVersions(f Facts) []check.Result {
	return eachKey(f, func(subject string, v vaultfacts.Vault, k vaultfacts.Key) (all []check.Result) {
		oldest := max(k.MinDecryption, 1)
		switch {
		case k.MinAvailable > 1:
			return []check.Result{check.Failed(subject, fmt.Sprintf("versions below %d were trimmed: data encrypted with them is lost", k.MinAvailable), "restore the key from a backup of Vault, unless you know that no data needs them")}
		case k.MinEncryption > k.Latest:
			return []check.Result{check.Failed(subject, fmt.Sprintf("min_encryption_version is %d, above the latest version %d: nothing can be encrypted", k.MinEncryption, k.Latest), "lower min_encryption_version")}
		}
		if oldest > 1 {
			all = append(all, check.Warned(subject, fmt.Sprintf("min_decryption_version is %d of %d: Vault does not decrypt data of older versions", k.MinDecryption, k.Latest), "make sure that no data needs them: etcdaudit scan shows live values; also check backups of etcd. Lower it again if in doubt"))
		}
		// Only the key that writes has local KEKs derived from it.
		if v.Section == "vault" && f.Config.Envelope == "local" && k.MinEncryption > oldest {
			versions := fmt.Sprintf("version %d", oldest)
			if last := k.MinEncryption - 1; last > oldest {
				versions = fmt.Sprintf("versions %d to %d", oldest, last)
			}
			all = append(all, check.Warned(subject, fmt.Sprintf("min_encryption_version is %d: Vault derives no local KEK for %s, so a plugin restarted since then can in an outage decrypt only what it has decrypted before", k.MinEncryption, versions), "rewrite all Secrets under these versions; lower it until that is done"))
		}
		if len(all) == 0 {
			all = append(all, check.Passed(subject, fmt.Sprintf("%d, all of which decrypt", k.Versions)))
		}
		return all
	})
}

func checkAutoRotate(f Facts) []check.Result {
	return eachKey(f, func(subject string, _ vaultfacts.Vault, k vaultfacts.Key) []check.Result {
		const day = 24 * time.Hour
		switch {
		case k.AutoRotate == 0:
			return []check.Result{check.Passed(subject, "off")}
		case k.AutoRotate < 7*day:
			return []check.Result{check.Warned(subject, fmt.Sprintf("every %v", k.AutoRotate), "rotate no more often than all Secrets are rewritten; a month or more is usual")}
		default:
			return []check.Result{check.Passed(subject, fmt.Sprintf("every %d days", int(k.AutoRotate/day)))}
		}
	})
}
