package vaultbackend

import (
	"errors"
	"slices"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// vote is what one node's answer says.
type vote int

const (
	unasked   vote = iota
	waiting        // asked, and has not answered yet
	silent         // not waited for any longer
	fails          // gave no answer, or none that a node that serves gives: sealed, a DR secondary, an error
	limits         // limits the rate of requests
	serves         // did what was asked
	refuses        // accepts the token, and refuses the key
	distrusts      // does not accept the token or the login
)

// voteOf says what a node's answer counts as.
func voteOf(err error, m meaning) vote {
	switch {
	case err != nil:
		return fails
	case errors.Is(m.mark, errLimited):
		return limits
	}
	switch m.class {
	case 0, backend.Item, backend.VersionRefusal:
		return serves
	case backend.Refusal:
		return refuses
	case backend.Credentials:
		return distrusts
	default: // Outage, and a key of this name that cannot serve
		return fails
	}
}

// seat is one configured address, and what it says in one request.
type seat struct {
	vote vote
	// served is set where it has served the key before, in this process.
	served bool
}

// verdict is what the answers of all addresses mean together.
type verdict int

const (
	undecided verdict = iota // somebody is to be asked, or waited for
	isServed                 // one of them did what was asked
	isRefused                // the key is refused
	loginDue                 // the token is not accepted
	isUnknown                // nothing is known about the key
)

// judge decides about a request for the key. One address that serves it is
// enough. No single one that does not may decide for those that would: a stale
// Vault that knows no such key, or the wrong address, would otherwise destroy what
// is held for a healthy one. So only an address that has served this key can
// refuse it, and only once every other one has answered or was waited for. Where
// none has served yet, as after a start with keys from a saved state, all of them
// have to refuse.
func judge(seats []seat) verdict {
	has := votesIn(seats)
	known := votesIn(slices.DeleteFunc(slices.Clone(seats), func(s seat) bool { return !s.served }))
	anyServed := slices.ContainsFunc(seats, func(s seat) bool { return s.served })
	allRefuse := !slices.ContainsFunc(seats, func(s seat) bool { return s.vote != refuses })
	switch {
	case has(serves):
		return isServed
	case has(limits):
		return isUnknown
	case known(distrusts):
		return loginDue // at once: a new login destroys nothing
	case has(unasked, waiting):
		return undecided
	case known(refuses), !anyServed && allRefuse:
		return isRefused
	case has(distrusts):
		return loginDue
	default:
		return isUnknown
	}
}

// votesIn returns whether one of the seats has one of some votes.
func votesIn(seats []seat) func(...vote) bool {
	return func(votes ...vote) bool {
		return slices.ContainsFunc(seats, func(s seat) bool { return slices.Contains(votes, s.vote) })
	}
}

// judgeOther decides about a request that is not about the key, such as a login.
// What one address says is the answer: asking elsewhere with a wrong secret-id
// would lock the role out. One that is counted is not refused before all who were
// asked have answered: the refusal may mean no more than that another was served.
func judgeOther(op operation, seats []seat) verdict {
	has := votesIn(seats)
	switch {
	case has(serves):
		return isServed
	case has(limits):
		return isUnknown
	case has(distrusts) && !(op.isCounted() && has(waiting)):
		return loginDue
	case has(unasked, waiting):
		return undecided
	default:
		return isUnknown
	}
}
