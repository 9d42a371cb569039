package plan

import (
	"fmt"
	"time"
)

// What the guarantees leave open (docs/outages.md, "How long the API server goes on by
// itself"), and how kube-apiserver and gRPC come back.
const (
	// writesWithoutStatus is for how long an API server writes, at least, once its plugin
	// no longer answers: three minutes after the last Status, which it asks for once a
	// minute (kmsv2PluginWriteDEKSourceMaxTTL, kmsv2PluginHealthzPositiveInterval), with
	// ten seconds for a call that hung and for a busy machine.
	writesWithoutStatus = 3*time.Minute - time.Minute - 10*time.Second
	// reconnect is how long an API server may take to find a plugin again that was away
	// for a moment. Away for longer, gRPC waits between its tries for up to 0.6 times as
	// long as they have failed for, give or take a fifth, and two minutes at most.
	reconnect    = 5 * time.Second
	maxReconnect = 150 * time.Second
	// statusAgain is how long it may then take until Status is asked for: every ten
	// seconds after a failure (kmsv2PluginHealthzNegativeInterval).
	statusAgain = 15 * time.Second
	// early is by how much a plugin may write with a version before its instant as it is
	// known here: Vault notes whole seconds, and a plugin knows Vault's clock to half of one.
	early = 2 * time.Second
)

// never is a moment that does not come.
var never = time.Unix(1<<40, 0)

// Span is a stretch of time; one without an end has not ended.
type Span struct{ From, To time.Time }

func (s Span) overlaps(o Span) bool {
	return (o.To.IsZero() || s.From.Before(o.To)) && (s.To.IsZero() || o.From.Before(s.To))
}

// empty spans come from what was over before it could begin.
func (s Span) empty() bool { return !s.To.IsZero() && !s.From.Before(s.To) }

// spans are in the order in which they began.
type spans []Span

// note follows a condition through a step: it holds from the step's beginning if the
// step brings it about, until its end if the step ends it, and in between if it comes
// and goes.
func (s *spans) note(before, during, after bool, from, to time.Time) {
	switch {
	case !before && after:
		*s = append(*s, Span{From: from})
	case before && !after:
		(*s)[len(*s)-1].To = to
	case !before && during:
		*s = append(*s, Span{From: from, To: to})
	}
}

func (s spans) overlap(o Span) bool {
	for _, span := range s {
		if !span.empty() && span.overlaps(o) {
			return true
		}
	}
	return false
}

// Record is what has been done so far, and when.
type Record struct {
	// PromotionDelay is the plugins'.
	PromotionDelay time.Duration

	world  World
	api    [Hosts]spans // when the API server was not there
	away   [Hosts]spans // when the plugin was not, or had nothing
	behind [Hosts]spans // when it may have lacked a version that another writes with

	rotated time.Time        // when the newest version was made
	writes  [Hosts]time.Time // from when on the plugin may write with it; never while it does not see it
	started [Hosts]bool      // the plugin has not lost sight of Vault since it was started
}

// NewRecord begins with a world that is whole.
func NewRecord(promotionDelay time.Duration) *Record {
	return &Record{PromotionDelay: promotionDelay, world: Whole()}
}

// World is the state of everything now.
func (r *Record) World() World { return r.world }

// Add takes up a step that was done between two moments.
func (r *Record) Add(s Step, from, to time.Time) {
	before, after := r.world, r.world.After(s)
	r.see(s, &before, &after, from)
	for i := range Hosts {
		is := func(part Part, action Action) bool { return s.Part == part && s.Action == action && s.Host == i }
		b, a := &before.Hosts[i], &after.Hosts[i]
		r.api[i].note(b.API != Up, is(API, DoRestart), a.API != Up, from, to)
		r.away[i].note(!b.Serves(), is(Plugin, DoRestart), !a.Serves(), from, to)

		others := r.othersWrite(i)
		r.behind[i].note(b.Known < before.Version, s.Part == Key, a.Known < after.Version, others, to)
		if n := len(r.behind[i]); n > 0 && r.behind[i][n-1].To.IsZero() && others.Before(r.behind[i][n-1].From) {
			r.behind[i][n-1].From = others
		}
	}
	r.world = after
}

// see follows which plugins may write with the newest version, and from when on: one
// delay after it was made, and where they saw it only after a gap, one delay after that.
// A gap of less than half the delay is none.
func (r *Record) see(s Step, before, after *World, from time.Time) {
	if s.Part == Key {
		r.rotated, r.writes = from, [Hosts]time.Time{}
		for i := range r.writes {
			r.writes[i] = never
		}
	}
	for i := range Hosts {
		saw, sees := before.sees(i), after.sees(i)
		announced := r.rotated.Add(r.PromotionDelay - early)
		starts := s.Part == Plugin && s.Host == i && (s.Action == DoStart || s.Action == DoRestart)
		r.started[i] = starts || r.started[i] && (sees || !saw)
		switch {
		case !saw && !sees && !starts:
		case saw || starts || r.started[i]:
			r.writes[i] = earlier(r.writes[i], announced)
		default:
			r.writes[i] = earlier(r.writes[i], later(announced, from.Add(r.PromotionDelay/2-early)))
		}
	}
}

// othersWrite is from when on another host's plugin may write with the newest version.
func (r *Record) othersWrite(host int) time.Time {
	first := never
	for i, at := range r.writes {
		if i != host {
			first = earlier(first, at)
		}
	}
	return first
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// absence is a stretch in which an API server could not rely on its plugin.
type absence struct {
	from time.Time
	// back is when it has found the plugin again, and sure when it has had a Status from
	// it as well; both zero if it is still away.
	back, sure time.Time
}

// absences joins the stretches in which a plugin was away: one that begins before an
// API server is sure of the last one's end goes on where that began.
func absences(away spans) []absence {
	var all []absence
	for _, span := range away {
		next := absence{from: span.From}
		if n := len(all); n > 0 && (all[n-1].sure.IsZero() || span.From.Before(all[n-1].sure)) {
			next.from = all[n-1].from
			all = all[:n-1]
		}
		if !span.To.IsZero() {
			next.back = span.To.Add(min(span.To.Sub(next.from), maxReconnect) + reconnect)
			next.sure = next.back.Add(statusAgain)
		}
		all = append(all, next)
	}
	return all
}

// Kind tells apart what is asked for, by what it takes.
type Kind int

// Kinds.
const (
	// OwnSecret is the write of a Secret, or its read right after, that no other API
	// server has written: it takes an API server, and a plugin once in two minutes.
	OwnSecret Kind = iota
	// AnySecret is the read of a Secret that any API server has written: it takes a
	// plugin that can open it.
	AnySecret
	// SharedSecret is the write of such a Secret: it takes what both of the above take.
	SharedSecret
	// PluginCall is a call of a plugin about what it has sealed itself.
	PluginCall
	// PluginOpens is the opening by one plugin of what another has just sealed.
	PluginOpens
)

func (k Kind) String() string {
	return [...]string{"a Secret of its own", "any Secret", "a Secret that both write", "the plugin's own", "another plugin's"}[k]
}

// Op is something that was asked of a host.
type Op struct {
	Kind Kind
	Host int
	Span
}

// Excuse says why an operation may be refused, and nothing if it may not. Vault is no
// excuse, in whatever state.
func (r *Record) Excuse(op Op) string {
	name := hostName(op.Host)
	writes, opens := op.Kind == OwnSecret || op.Kind == SharedSecret, op.Kind == AnySecret || op.Kind == SharedSecret
	if (writes || opens) && r.api[op.Host].overlap(op.Span) {
		return fmt.Sprintf("the API server of host %s did not run", name)
	}
	for _, a := range absences(r.away[op.Host]) {
		if writes && (spans{{a.from.Add(writesWithoutStatus), a.sure}}).overlap(op.Span) {
			return fmt.Sprintf("the plugin of host %s was away for more than %v", name, writesWithoutStatus)
		}
		if opens && (spans{{a.from, a.back}}).overlap(op.Span) {
			return fmt.Sprintf("the plugin of host %s was away", name)
		}
	}
	calls := op.Kind == PluginCall || op.Kind == PluginOpens
	if calls && r.away[op.Host].overlap(Span{op.From.Add(-reconnect), op.To}) {
		return fmt.Sprintf("the plugin of host %s was away", name)
	}
	if op.Kind != OwnSecret && op.Kind != PluginCall && r.behind[op.Host].overlap(op.Span) {
		return fmt.Sprintf("the plugin of host %s had not seen the newest version of the key", name)
	}
	return ""
}
