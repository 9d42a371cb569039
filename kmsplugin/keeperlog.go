package kmsplugin

import (
	"context"
	"log/slog"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// What a keeper says of what changed. Nothing is said twice.

func (k *keeper) logStanding(before standing, err error) {
	now := k.standing
	switch {
	case now.class == before.class && now.reason == before.reason && now.key == before.key:
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
