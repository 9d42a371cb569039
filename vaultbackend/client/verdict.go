package client

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
	refuses        // accepts the token, and refuses the request
	distrusts      // does not accept the token or the login
)

// voteOf says what a node's answer counts as.
func voteOf(err error, m Meaning) vote {
	switch {
	case err != nil:
		return fails
	case errors.Is(m.Mark, errLimited):
		return limits
	}
	switch m.Class {
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
	// served is set where it has served a confirmed request before, in this process.
	served bool
}

// verdict is what the answers of all addresses mean together.
type verdict int

const (
	undecided verdict = iota // another node is to be asked, or waited for
	isServed                 // one of them did what was asked
	isRefused                // the request is refused
	loginDue                 // the token is not accepted
	isUnknown                // nothing is known
)

// judge decides about a confirmed request, such as one for the plugin's key. One
// address that serves it is enough. A single one that does not may not decide for
// the others: a stale Vault without that key, or a wrong address, would otherwise
// end the use of what a healthy one still allows. So only an address that has served
// such a request can refuse one, and only once all others have answered or were
// waited for. Where none has served yet, as after a start with keys from a saved
// state, all of them have to refuse.
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

// judgeOther decides about any other request, such as a login. What one address
// says is the answer: a wrong secret-id that is offered elsewhere too would lock the
// role out. A login is refused only once all addresses that were asked have
// answered: one may refuse a secret-id because another has just accepted it.
func judgeOther(op Operation, seats []seat) verdict {
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
