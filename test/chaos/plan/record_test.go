package plan

import (
	"strings"
	"testing"
	"time"
)

const delay = 10 * time.Second

// at is a moment, in seconds from the beginning.
func at(seconds float64) time.Time {
	return time.Unix(0, 0).Add(time.Duration(seconds * float64(time.Second)))
}

// done is a step and when it was done.
type done struct {
	Step

	from, to float64
}

func recordOf(steps ...done) *Record {
	r := NewRecord(delay)
	for _, d := range steps {
		r.Add(d.Step, at(d.from), at(d.to))
	}
	return r
}

func op(kind Kind, host int, from, to float64) Op {
	return Op{Kind: kind, Host: host, Span: Span{at(from), at(to)}}
}

// steps by what they are done to.
func link(a Action, host, node int) Step { return Step{Action: a, Part: Link, Host: host, Node: node} }
func vault(a Action, node int) Step      { return Step{Action: a, Part: Vault, Node: node} }
func plugin(a Action, host int) Step     { return Step{Action: a, Part: Plugin, Host: host} }
func api(a Action, host int) Step        { return Step{Action: a, Part: API, Host: host} }
func hasty(s Step) Step                  { s.Hasty = true; return s }

var (
	rotate = Step{Action: DoRotate, Part: Key}
	revoke = Step{Action: DoRevoke, Part: Token}
)

func TestWhatIsPromised(t *testing.T) {
	const forever = 1e6
	kinds := []Kind{OwnSecret, AnySecret, SharedSecret, PluginCall, PluginOpens}
	for name, tc := range map[string]struct {
		steps []done
		ops   []Op
		// excuse is in what excuses each of the operations; without one they are promised.
		excuse string
	}{
		// Vault never is an excuse.
		"all of Vault is away": {
			steps: []done{{vault(DoKill, 0), 1, 2}, {vault(DoSeal, 1), 2, 3}, {vault(DoPause, 2), 3, 4}, {api(DoRestart, 0), 5, 9}},
			ops:   []Op{op(AnySecret, 0, 9, 10), op(OwnSecret, 1, 1, 400), op(PluginCall, 0, 0, 400), op(PluginOpens, 1, 0, 400)},
		},
		"every link is spoiled": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {link(DoHang, 1, All), 2, 3}},
			ops:   []Op{op(OwnSecret, 0, 1, 400), op(AnySecret, 0, 1, 400), op(PluginCall, 1, 1, 400), op(PluginOpens, 1, 1, 400)},
		},
		"a token is revoked": {
			steps: []done{{revoke, 1, 2}},
			ops:   []Op{op(OwnSecret, 0, 1, 2), op(AnySecret, 0, 1, 2), op(PluginCall, 0, 1, 2), op(PluginOpens, 0, 1, 2)},
		},

		// An API server that does not run.
		"API server killed, the same one": {
			steps: []done{{api(DoKill, 0), 10, 11}},
			ops:   []Op{op(OwnSecret, 0, 9, 10.1), op(AnySecret, 0, 500, 501)}, excuse: "API server of host a",
		},
		"API server killed, others": {
			steps: []done{{api(DoKill, 0), 10, 11}},
			ops:   []Op{op(OwnSecret, 1, 9, 20), op(AnySecret, 1, 9, 20), op(PluginCall, 0, 9, 20), op(OwnSecret, 0, 9, 10)},
		},
		"API server killed and started": {
			steps: []done{{api(DoKill, 0), 10, 11}, {api(DoStart, 0), 20, 30}},
			ops:   []Op{op(OwnSecret, 0, 30, 31), op(AnySecret, 0, 30, 31)},
		},
		"API server about to be ready": {
			steps: []done{{api(DoKill, 0), 10, 11}, {api(DoStart, 0), 20, 30}},
			ops:   []Op{op(OwnSecret, 0, 29, 31)}, excuse: "API server of host a",
		},
		"API server restarting": {
			steps: []done{{api(DoRestart, 1), 10, 20}},
			ops:   []Op{op(OwnSecret, 1, 15, 25), op(AnySecret, 1, 5, 11)}, excuse: "API server of host b",
		},
		"API server restarted": {
			steps: []done{{api(DoRestart, 1), 10, 20}},
			ops:   []Op{op(OwnSecret, 1, 5, 10), op(AnySecret, 1, 20, 25)},
		},

		// A plugin that is away.
		"plugin killed, what needs it": {
			steps: []done{{plugin(DoKill, 0), 10, 11}},
			ops:   []Op{op(AnySecret, 0, 9, 10.1), op(PluginCall, 0, 50, 51), op(PluginOpens, 0, 50, 51)}, excuse: "plugin of host a was away",
		},
		"plugin paused, what needs it": {
			steps: []done{{plugin(DoPause, 0), 10, 11}},
			ops:   []Op{op(AnySecret, 0, 9, 10.1), op(PluginCall, 0, 50, 51), op(PluginOpens, 0, 50, 51)}, excuse: "plugin of host a was away",
		},
		"plugin killed, what does not need it": {
			steps: []done{{plugin(DoKill, 0), 10, 11}},
			ops:   []Op{op(OwnSecret, 0, 10, 119), op(AnySecret, 1, 10, 400), op(OwnSecret, 1, 10, 400), op(PluginOpens, 1, 10, 400)},
		},
		"plugin away for as long as a seed lasts": {
			steps: []done{{plugin(DoKill, 0), 10, 11}},
			ops:   []Op{op(OwnSecret, 0, 119, 121), op(OwnSecret, 0, 400, 401)}, excuse: "away for more than 1m50s",
		},
		"plugin killed and started": {
			steps: []done{{plugin(DoKill, 0), 10, 11}, {plugin(DoStart, 0), 20, 22}},
			ops: []Op{
				op(OwnSecret, 0, 10, 400), op(PluginCall, 0, 27.1, 28), op(PluginOpens, 0, 27.1, 28),
				op(AnySecret, 0, 39.1, 40), // away for 12 s, so 12 + 5 s until the API server has found it
			},
		},
		"plugin started, not found yet": {
			steps: []done{{plugin(DoKill, 0), 10, 11}, {plugin(DoStart, 0), 20, 22}},
			ops:   []Op{op(PluginCall, 0, 26, 27), op(AnySecret, 0, 38, 40), op(SharedSecret, 0, 38, 40)}, excuse: "plugin of host a was away",
		},
		"plugin restarting": {
			steps: []done{{plugin(DoRestart, 0), 10, 12}},
			ops:   []Op{op(PluginCall, 0, 11, 11.5), op(AnySecret, 0, 11, 18)}, excuse: "plugin of host a was away",
		},
		"plugin restarted": {
			steps: []done{{plugin(DoRestart, 0), 10, 12}},
			ops:   []Op{op(PluginCall, 0, 9, 10), op(PluginCall, 0, 17.1, 18), op(AnySecret, 0, 19.1, 20), op(OwnSecret, 0, 0, 400)},
		},
		"plugin started without Vault, which has nothing": {
			steps: []done{{plugin(DoKill, 0), 10, 11}, {link(DoCut, 0, All), 12, 13}, {plugin(DoStart, 0), 20, 22}},
			ops:   []Op{op(PluginCall, 0, 100, 101), op(AnySecret, 0, 100, 101), op(OwnSecret, 0, 130, 131)}, excuse: "plugin of host a was away",
		},
		"plugin started without Vault, once Vault is back": {
			steps: []done{{plugin(DoKill, 0), 10, 11}, {link(DoCut, 0, All), 12, 13}, {plugin(DoStart, 0), 20, 22}, {link(DoHeal, 0, 2), 30, 32}},
			ops:   []Op{op(PluginCall, 0, 37.1, 38), op(AnySecret, 0, 59.1, 60), op(OwnSecret, 0, 10, 400)},
		},
		"plugin restarted in haste, without waiting": {
			steps: []done{{hasty(plugin(DoRestart, 0)), 10, 11}},
			ops:   []Op{op(PluginCall, 0, 100, 101)}, excuse: "plugin of host a was away",
		},
		"plugin away again before its API server is sure of it": {
			steps: []done{{plugin(DoKill, 0), 0, 1}, {plugin(DoStart, 0), 70, 71}, {plugin(DoPause, 0), 90, 90}, {plugin(DoResume, 0), 130, 130}},
			ops:   []Op{op(OwnSecret, 0, 111, 112)}, excuse: "away for more than 1m50s",
		},
		"plugin away again long after": {
			steps: []done{{plugin(DoKill, 0), 0, 1}, {plugin(DoStart, 0), 10, 11}, {plugin(DoPause, 0), 90, 90}, {plugin(DoResume, 0), 130, 130}},
			ops:   []Op{op(OwnSecret, 0, 0, 400)},
		},
		"plugin found again, and not asked for its Status yet": {
			steps: []done{{plugin(DoKill, 0), 0, 1}, {plugin(DoStart, 0), 200, 201}},
			ops:   []Op{op(OwnSecret, 0, 357, 358), op(SharedSecret, 0, 357, 358)}, excuse: "away for more than 1m50s",
		},
		"plugin away for an hour comes back within minutes": {
			steps: []done{{plugin(DoKill, 0), 0, 1}, {plugin(DoStart, 0), 3600, 3601}},
			ops:   []Op{op(AnySecret, 0, 3757, 3758), op(OwnSecret, 0, 3772, 3773), op(SharedSecret, 0, 3772, 3773)},
		},

		// A version that one of them has not seen.
		"rotated, and both have noticed": {
			steps: []done{{rotate, 10, 12}},
			ops:   []Op{op(AnySecret, 0, 5, 400), op(PluginOpens, 1, 5, 400)},
		},
		"rotated, and noticed late": {
			steps: []done{{rotate, 10, 30}},
			ops:   []Op{op(AnySecret, 0, 18.1, 19), op(PluginOpens, 1, 18.1, 19)}, excuse: "newest version",
		},
		"rotated, before anybody may write with it": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {rotate, 10, 12}},
			ops:   []Op{op(AnySecret, 0, 5, 18), op(PluginOpens, 0, 5, 18)},
		},
		"rotated while one is cut off": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {rotate, 10, 12}},
			ops:   []Op{op(AnySecret, 0, 18.1, 19), op(PluginOpens, 0, 400, 401)}, excuse: "plugin of host a had not seen",
		},
		"rotated while both are cut off": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {link(DoCut, 1, All), 2, 3}, {rotate, 10, 12}},
			ops:   []Op{op(AnySecret, 0, 0, 400), op(PluginOpens, 1, 0, 400)},
		},
		"rotated while both are cut off, and one is back: a delay passes first": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {link(DoCut, 1, All), 2, 3}, {rotate, 10, 12}, {link(DoHeal, 1, All), 100, 101}},
			ops:   []Op{op(AnySecret, 0, 10, 103), op(PluginOpens, 0, 10, 103), op(PluginOpens, 1, 10, 400)},
		},
		"rotated while both are cut off, and one is back for longer": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {link(DoCut, 1, All), 2, 3}, {rotate, 10, 12}, {link(DoHeal, 1, All), 100, 101}, {link(DoCut, 1, All), 102, 103}},
			ops:   []Op{op(AnySecret, 0, 103.1, 104), op(PluginOpens, 0, 400, 401)}, excuse: "plugin of host a had not seen",
		},
		"rotated while both are cut off, and one is started anew: nothing is put off": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {plugin(DoKill, 1), 2, 3}, {rotate, 10, 12}, {plugin(DoStart, 1), 100, 101}},
			ops:   []Op{op(AnySecret, 0, 100, 101), op(PluginOpens, 0, 400, 401)}, excuse: "plugin of host a had not seen",
		},
		"rotated while both are cut off, and one started anew is back later": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {plugin(DoKill, 1), 2, 3}, {rotate, 10, 12}, {link(DoCut, 1, All), 13, 14}, {plugin(DoStart, 1), 50, 51}, {link(DoHeal, 1, 0), 100, 101}},
			ops:   []Op{op(AnySecret, 0, 100, 101)}, excuse: "plugin of host a had not seen",
		},
		"rotated while one is cut off and the other paused, which goes on": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {plugin(DoPause, 1), 2, 3}, {rotate, 10, 12}, {plugin(DoResume, 1), 100, 101}},
			ops:   []Op{op(AnySecret, 0, 10, 103), op(PluginOpens, 0, 10, 103)},
		},
		"rotated while one is cut off, what does not need the version": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {rotate, 10, 12}},
			ops:   []Op{op(OwnSecret, 0, 10, 400), op(PluginCall, 0, 10, 400), op(AnySecret, 1, 10, 400), op(PluginOpens, 1, 10, 400)},
		},
		"rotated while one is cut off, and is back": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {rotate, 10, 12}, {link(DoHeal, 0, All), 30, 31}},
			ops:   []Op{op(AnySecret, 0, 31, 32), op(PluginOpens, 0, 31, 32)},
		},
		"rotated in haste, and cut off": {
			steps: []done{{hasty(rotate), 10, 11}, {hasty(link(DoCut, 1, All)), 11, 11}},
			ops:   []Op{op(AnySecret, 1, 18.1, 19)}, excuse: "plugin of host b had not seen",
		},
		"rotated twice while one is cut off, and is back": {
			steps: []done{{link(DoCut, 0, All), 1, 2}, {rotate, 10, 12}, {rotate, 13, 14}, {link(DoHeal, 0, All), 30, 31}, {rotate, 40, 41}},
			ops:   []Op{op(AnySecret, 0, 31, 400)},
		},
		"nothing is done": {
			ops: []Op{op(OwnSecret, 0, 0, forever), op(AnySecret, 1, 0, forever), op(PluginCall, 0, 0, forever), op(PluginOpens, 1, 0, forever)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := recordOf(tc.steps...)
			for _, o := range tc.ops {
				got := r.Excuse(o)
				if (got == "") != (tc.excuse == "") || !strings.Contains(got, tc.excuse) {
					t.Errorf("%v on host %s from %v to %v: excuse %q, want %q in it", kinds[o.Kind], hostName(o.Host), o.From.Sub(at(0)), o.To.Sub(at(0)), got, tc.excuse)
				}
			}
		})
	}
}

// TestNothingIsExcusedForLongInAWholeWorld makes sure that every excuse ends.
func TestNothingIsExcusedForLongInAWholeWorld(t *testing.T) {
	for seed := range uint64(100) {
		r := NewRecord(delay)
		now := 0.0
		do := func(s Step) {
			r.Add(s, at(now), at(now+2))
			now += 3
		}
		for _, s := range Sequence(seed, 200) {
			do(s)
		}
		for _, s := range Recovery(r.World()) {
			do(s)
		}
		now += (maxReconnect + reconnect + statusAgain).Seconds()
		for host := range Hosts {
			for kind := OwnSecret; kind <= PluginOpens; kind++ {
				if excuse := r.Excuse(op(kind, host, now, now+1)); excuse != "" {
					t.Fatalf("seed %d, %v on host %s: %s", seed, kind, hostName(host), excuse)
				}
			}
		}
	}
}
