package kmsplugin

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// What a keeper says of what changed. Nothing is said twice.

func (k *keeper) logStanding(before standing, err error) {
	now := k.standing
	switch {
	case now.class == before.class && now.reason == before.reason &&
		now.key.suspected == before.key.suspected && now.key.confirmed == before.key.confirmed:
	case now.class == 0:
		k.log.Info("Vault answers again", "after", (k.boot() - before.since).Round(time.Second))
	default:
		level := slog.LevelWarn
		if now.class == backend.Refusal || now.class == backend.Unsuitable {
			level = slog.LevelError
		}
		k.log.Log(context.Background(), level, "Vault does not serve the key",
			"class", now.class.String(), "reason", now.reason, "cause", err.Error(),
			"lease_left", k.leaseLeft().Round(time.Second), "refused_for_certain", now.key.confirmed)
	}
}

// leaseLeft is how long the version that writes may still be used; of a key that
// never writes, the version whose lease ends first.
func (k *keeper) leaseLeft() time.Duration {
	at, ok := k.confirmed[k.choice.keyID]
	if k.prober.readOnly {
		for id := range k.versions {
			if c := k.confirmed[id]; !ok || c < at {
				at, ok = c, true
			}
		}
	}
	if !ok {
		return 0
	}
	return max(at+k.config.LocalKEK.Lease-k.boot(), 0)
}

func (k *keeper) logPrepare(err error) {
	if err != nil && sameTrouble(k.prepare) != sameTrouble(err) {
		k.log.Error("a key version cannot be made ready", "cause", err.Error())
	}
	k.prepare = err
}

// sameTrouble is alike for errors that need not be said twice. The causes of an
// outage name ports and times, and would make each of them news.
func sameTrouble(err error) string {
	switch {
	case err == nil:
		return ""
	case backend.ClassOf(err) == backend.Outage:
		return backend.Public(err)
	default:
		return err.Error()
	}
}

func (k *keeper) logChoice(before, after choice) {
	if after.version != 0 && after.keyID != before.keyID {
		k.log.Info("write version", "version", after.version, "key_id", after.keyID, "before", before.version)
		if before.version != 0 && after.version <= before.version {
			k.log.Error("the key in Vault is another one than before: deleted and created again, or restored", "key_id", after.keyID, "before", before.keyID)
		}
	}
	if after.next != 0 && (after.next != before.next || !after.at.Equal(before.at)) {
		k.log.Info("key version will be promoted", "version", after.next, "at", after.at.UTC(), "announced", after.announced.UTC())
	}
}

// logUnconfirmed says once of a version that Vault neither opens nor refuses it.
func (k *keeper) logUnconfirmed(f findings) {
	next := make(map[string]string, len(f.unconfirmed))
	for id, err := range f.unconfirmed {
		next[id] = err.Error() // our own words, unless it comes from the key store
		if _, ok := errors.AsType[*backend.Error](err); ok {
			next[id] = backend.Public(err)
		}
		if _, said := k.unconfirmed[id]; !said {
			k.log.Error("Vault does not confirm a key version that is held: its lease is not renewed",
				"key_id", id, "lease_left", k.leaseOf(id).Round(time.Second), "cause", err.Error())
		}
	}
	for _, id := range f.accepted {
		if _, was := k.unconfirmed[id]; was {
			k.log.Info("Vault confirms a key version again", "key_id", id)
		}
	}
	k.unconfirmed = next
}

// leaseOf is how long a version may still be used.
func (k *keeper) leaseOf(keyID string) time.Duration {
	return max(k.confirmed[keyID]+k.config.LocalKEK.Lease-k.boot(), 0)
}

// logWithheld says what becomes of versions that Vault refuses for certain, what
// that costs, and what can be done about it.
func (k *keeper) logWithheld(keyIDs []string) {
	rescues := k.rescues()
	held := slices.DeleteFunc(slices.Clone(keyIDs), func(id string) bool { _, ok := rescues[id]; return !ok })
	if len(held) == 0 || k.onRefusal == RefusalDrop {
		return // what is dropped says so itself
	}
	slices.Sort(held)
	if !slices.ContainsFunc(held, func(id string) bool { return k.withheld[id].class == backend.Refusal }) {
		k.log.Error("Vault refuses key versions: what is held of them is used only with on-refusal: lease", "key_ids", held,
			"reason", k.withheld[held[0]].reason, "on_refusal", k.onRefusal, "to_do", "lower the minimum in Vault if something still needs them: they are then served again at once")
		return
	}
	text := "WITHHELD: Vault refuses key versions, and this plugin neither uses nor erases what it holds of them; what they sealed can still be saved"
	if k.onRefusal == RefusalLease {
		text = "REFUSED BUT SERVED: Vault refuses key versions, and this plugin goes on with what it holds of them (on-refusal: lease)"
	}
	left := k.config.LocalKEK.Lease
	for _, id := range held {
		if k.withheld[id].class == backend.Refusal {
			left = min(left, max(rescues[id]-k.boot(), 0))
		}
	}
	k.log.Error(text, "key_ids", held, "reason", k.withheld[held[0]].reason, "lost_in", left.Round(time.Second), "to_do", WithheldAdvice) //nolint:sloglint // one of the two above
}

// WithheldAdvice says what to do while keys are withheld; docs/disaster-recovery.md
// says it at length.
const WithheldAdvice = "Do not restart or upgrade this plugin unless it keeps its state (local-kek.keep: systemd). " +
	"If the refusal is a mistake, undo it in Vault: the same key is then served again at once, a new key of that name never. " +
	"If the key is lost, set on-refusal: lease in the configuration file on every control-plane node, have the plugin read it " +
	"(systemctl reload kmsplugin, or kill -HUP), and rewrite everything to another key before the time is over. " +
	"If the refusal is meant, set on-refusal: drop in the same way."
