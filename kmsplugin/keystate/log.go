package keystate

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// The lines that a Monitor logs when something changes. Each change is logged once.

func (m *Monitor) logHealth(before Health, err error) {
	now := m.health
	switch {
	case now.Class == before.Class && now.Reason == before.Reason &&
		now.key.suspected == before.key.suspected && now.key.confirmed == before.key.confirmed:
	case now.Class == 0:
		m.log.Info("Vault answers again", "after", (m.boot() - before.Since).Round(time.Second))
	default:
		level := slog.LevelWarn
		if now.Class == backend.Refusal || now.Class == backend.Unsuitable {
			level = slog.LevelError
		}
		m.log.Log(context.Background(), level, "Vault does not serve the key",
			"class", now.Class.String(), "reason", now.Reason, "cause", err.Error(),
			"lease_left", m.leaseLeft().Round(time.Second), "refused_for_certain", now.key.confirmed)
	}
}

func (m *Monitor) logProvision(err error) {
	if err != nil && sameTrouble(m.provision) != sameTrouble(err) {
		m.log.Error("a key version cannot be made ready", "cause", err.Error())
	}
	m.provision = err
}

// sameTrouble returns the same text for errors that are logged once. The causes of an
// outage name ports and times, which would make each of them a new one.
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

func (m *Monitor) logChoice(before, after Choice) {
	if after.Version != 0 && after.KeyID != before.KeyID {
		m.log.Info("write version", "version", after.Version, "key_id", after.KeyID, "before", before.Version)
		if before.Version != 0 && after.Version <= before.Version {
			m.log.Error("the key in Vault is another one than before: deleted and created again, or restored", "key_id", after.KeyID, "before", before.KeyID)
		}
	}
	if after.Next != 0 && (after.Next != before.Next || !after.At.Equal(before.At)) {
		m.log.Info("key version will be promoted", "version", after.Next, "at", after.At.UTC(), "announced", after.Announced.UTC())
	}
}

// logUnconfirmed logs once of a version that Vault neither confirms nor refuses it.
func (m *Monitor) logUnconfirmed(f findings) {
	next := make(map[string]string, len(f.unconfirmed))
	for id, err := range f.unconfirmed {
		next[id] = err.Error() // our own words, unless it comes from the key store
		if _, ok := errors.AsType[*backend.Error](err); ok {
			next[id] = backend.Public(err)
		}
		if _, logged := m.unconfirmed[id]; !logged {
			m.log.Error("Vault does not confirm a key version that is held: its lease is not renewed",
				"key_id", id, "lease_left", m.leaseOf(id).Round(time.Second), "cause", err.Error())
		}
	}
	for _, id := range f.accepted {
		if _, was := m.unconfirmed[id]; was {
			m.log.Info("Vault confirms a key version again", "key_id", id)
		}
	}
	m.unconfirmed = next
}

// logWithheld logs what happens to versions that Vault refuses for certain, what that
// costs, and what can be done about it.
func (m *Monitor) logWithheld(keyIDs []string) {
	ends := m.recoverable()
	held := slices.DeleteFunc(slices.Clone(keyIDs), func(id string) bool { _, ok := ends[id]; return !ok })
	if len(held) == 0 || m.onRefusal == Drop {
		return // drop logs what is dropped
	}
	slices.Sort(held)
	if !slices.ContainsFunc(held, func(id string) bool { return m.withheld[id].Class == backend.Refusal }) {
		m.log.Error("Vault refuses key versions: what is held of them is used only with on-refusal: lease", "key_ids", held,
			"reason", m.withheld[held[0]].Reason, "on_refusal", m.onRefusal, "to_do", "lower the minimum in Vault if something still needs them: they are then served again at once")
		return
	}
	text := "WITHHELD: Vault refuses key versions, and this plugin neither uses nor erases what it holds of them; what they sealed can still be saved"
	if m.onRefusal == Lease {
		text = "REFUSED BUT SERVED: Vault refuses key versions, and this plugin goes on with what it holds of them (on-refusal: lease)"
	}
	left := m.settings.Lease
	for _, id := range held {
		if m.withheld[id].Class == backend.Refusal {
			left = min(left, max(ends[id]-m.boot(), 0))
		}
	}
	m.log.Error(text, "key_ids", held, "reason", m.withheld[held[0]].Reason, "lost_in", left.Round(time.Second), "to_do", withheldAdvice) //nolint:sloglint // one of the two above
}

// withheldAdvice says what to do while keys are withheld; docs/disaster-recovery.md
// explains it.
const withheldAdvice = "Do not restart or upgrade this plugin unless it keeps its state (local-kek.keep: systemd). " +
	"If the refusal is a mistake, undo it in Vault: the same key is then served again at once, a new key of that name never. " +
	"If the key is lost, set on-refusal: lease in the configuration file on every control-plane node, have the plugin read it " +
	"(systemctl reload kmsplugin, or kill -HUP), and rewrite everything to another key before the time is over. " +
	"If the refusal is meant, set on-refusal: drop in the same way."
