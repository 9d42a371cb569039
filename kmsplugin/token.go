package kmsplugin

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

// TokenState is what is known of the token that the plugin has for a key store. The
// client of the key store tells it; the info API, the metrics and the risks ask it. It
// is safe for concurrent use; the zero value knows nothing.
type TokenState struct {
	life  atomic.Pointer[tokenLife] // nil if it is not known
	blind atomic.Bool               // the token may not look itself up
}

// tokenLife is how long the present token lives.
type tokenLife struct {
	expires   time.Time // zero: never
	renewable bool
}

// Token records when the token expires; the zero time is never.
func (t *TokenState) Token(expires time.Time, renewable bool) {
	t.life.Store(&tokenLife{expires, renewable})
}

// SelfLookup records whether the token may look itself up.
func (t *TokenState) SelfLookup(allowed bool) { t.blind.Store(!allowed) }

// riskBlind is the name of the risk that is about the token, not about the key.
const riskBlind = "revocation_not_recognised"

// riskNames lists the names of all risks, as in metrics and in the info API.
func riskNames() []string { return append(keystate.RiskNames(), riskBlind) }

// risks of a source are those of its key as last probed, and that of its token.
func (src *source) risks() []keystate.Risk {
	found := src.monitor.Snapshot().Risks
	if !src.token.blind.Load() {
		return found
	}
	return append(slices.Clone(found), keystate.Risk{Name: riskBlind,
		Text: "the token may not look itself up, so a refusal of the key looks like a login that is refused: should the key's rights be taken away, this plugin serves on until its lease ends; grant read on auth/token/lookup-self (kmsplugin policy prints the policy)"})
}
