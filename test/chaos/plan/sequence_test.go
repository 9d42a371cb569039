package plan

import (
	"slices"
	"strings"
	"testing"
)

func TestASeedRepeatsItsSequence(t *testing.T) {
	const seed = 7
	long := Sequence(seed, 400)
	if short := Sequence(seed, 100); !slices.Equal(short, long[:100]) {
		t.Error("a longer sequence of the same seed does not begin with the shorter one")
	}
	if slices.Equal(long, Sequence(seed+1, 400)) {
		t.Error("another seed has the same sequence")
	}
}

// TestTheSequenceOfASeedStaysTheSame makes sure that a seed which found something on
// another machine, or last year, finds it here. Where the plan is changed on purpose, so
// is this text.
func TestTheSequenceOfASeedStaysTheSame(t *testing.T) {
	var got strings.Builder
	for _, s := range Sequence(ShortSeed, ShortSteps) {
		got.WriteString(s.String() + "\n")
	}
	const want = `pause the plugin of host b, then wait 500ms
kill Vault node 0, then wait 500ms
hang the link of host b to every Vault node, in haste
rotate the key
cut the link of host a to every Vault node, then wait 2s
resume the plugin of host b, in haste
restart the API server of host a, in haste
seal Vault node 1, then wait 2s
heal the link of host a to every Vault node, in haste
unseal Vault node 1, in haste
kill the plugin of host a
pause Vault node 2, in haste
start the plugin of host a
kill the API server of host a, then wait 500ms
start Vault node 0, then wait 500ms
start the API server of host a, in haste
rotate the key, then wait 500ms
restart the plugin of host a, then wait 500ms
resume Vault node 2, then wait 2s
rotate the key, in haste
heal the link of host b to every Vault node, then wait 1s
kill the API server of host a, then wait 1s
restart the plugin of host b
revoke the token of the plugin of host b, in haste
`
	if got.String() != want {
		t.Errorf("seed %d has\n%swant\n%s", ShortSeed, got.String(), want)
	}
}

// everyWorld walks through the worlds of many sequences.
func everyWorld(visit func(before World, s Step, after World)) {
	for seed := range uint64(100) {
		w := Whole()
		for _, s := range Sequence(seed, 300) {
			before := w
			w = w.After(s)
			visit(before, s, w)
		}
	}
}

func TestNothingIsDoneThatNoGuaranteeCovers(t *testing.T) {
	everyWorld(func(before World, s Step, after World) {
		h := before.Hosts[s.Host]
		switch {
		case s.Part == Plugin && (s.Action == DoKill || s.Action == DoRestart) && !before.Reaches(s.Host):
			t.Fatalf("%v, which keeps nothing, in an outage: %+v", s, before)
		case s.Part == API && s.Action != DoKill && !before.Current(s.Host):
			t.Fatalf("%v, whose plugin cannot open everything: %+v", s, before)
		case s.Part == API && s.Action == DoRestart && h.API != Up:
			t.Fatalf("%v, which does not run: %+v", s, before)
		case (s.Part == Key || s.Part == Token) && !before.Quorum():
			t.Fatalf("%v in a Vault without a quorum: %+v", s, before)
		}
		if after.Hosts[0].API != Up && after.Hosts[1].API != Up {
			t.Fatalf("after %v no API server runs: %+v", s, after)
		}
		if n := after.Faults(); n > maxFaults {
			t.Fatalf("after %v there are %d faults: %+v", s, n, after)
		}
	})
}

func TestAFaultIsDoneToWhatIsUpAndUndoneWhereItIs(t *testing.T) {
	everyWorld(func(before World, s Step, after World) {
		if s.Action != DoRestart && s.Action != DoRotate && s.Action != DoRevoke && before.Vault == after.Vault &&
			before.Hosts[s.Host].API == after.Hosts[s.Host].API && before.Hosts[s.Host].Plugin == after.Hosts[s.Host].Plugin &&
			before.Hosts[s.Host].Links == after.Hosts[s.Host].Links {
			t.Fatalf("%v changes nothing in %+v", s, before)
		}
	})
}

func TestEveryStepAndEveryKindOfOutageComesUp(t *testing.T) {
	type what struct {
		Action

		part Part
	}
	steps := map[what]int{}
	var noQuorum, alone, empty, restartedInOutage, behind int
	everyWorld(func(before World, s Step, after World) {
		steps[what{s.Action, s.Part}]++
		h := after.Hosts[s.Host]
		switch {
		case !after.Quorum():
			noQuorum++
		case !after.Reaches(0) && after.Reaches(1):
			alone++
		}
		if h.Plugin == Up && !h.Holds && !after.Reaches(s.Host) {
			empty++
		}
		if s.Part == API && s.Action == DoRestart && !before.Reaches(s.Host) {
			restartedInOutage++
		}
		if h.Serves() && h.Known < after.Version {
			behind++
		}
	})
	for _, want := range []what{
		{DoCut, Link}, {DoHang, Link}, {DoHeal, Link},
		{DoKill, Vault}, {DoPause, Vault}, {DoSeal, Vault}, {DoStart, Vault}, {DoResume, Vault}, {DoUnseal, Vault},
		{DoKill, Plugin}, {DoPause, Plugin}, {DoStart, Plugin}, {DoResume, Plugin}, {DoRestart, Plugin},
		{DoKill, API}, {DoStart, API}, {DoRestart, API},
		{DoRotate, Key}, {DoRevoke, Token},
	} {
		if steps[want] < 100 {
			t.Errorf("%+v came up %d times in 30,000 steps", want, steps[want])
		}
	}
	for name, n := range map[string]int{
		"Vault without a quorum": noQuorum, "one host cut off": alone, "a plugin without anything": empty,
		"an API server restarted in an outage": restartedInOutage, "a plugin that lacks the newest version": behind,
	} {
		if n < 100 {
			t.Errorf("%s came up %d times in 30,000 steps", name, n)
		}
	}
}

func TestTheShortSequenceShowsWhatMatters(t *testing.T) {
	var noQuorum, restartedInOutage, rotated, revoked, pluginRestarted, behind bool
	w := Whole()
	for _, s := range Sequence(ShortSeed, ShortSteps) {
		before := w
		w = w.After(s)
		noQuorum = noQuorum || !w.Quorum()
		restartedInOutage = restartedInOutage || s.Part == API && s.Action != DoKill && !before.Reaches(s.Host)
		rotated = rotated || s.Action == DoRotate
		revoked = revoked || s.Action == DoRevoke
		pluginRestarted = pluginRestarted || s.Part == Plugin && s.Action == DoRestart
		behind = behind || w.Hosts[s.Host].Serves() && !w.Current(s.Host)
	}
	if !noQuorum || !restartedInOutage || !rotated || !revoked || !pluginRestarted || !behind {
		t.Errorf("without a quorum: %v, an API server started in an outage: %v, rotated: %v, revoked: %v, a plugin restarted: %v, a plugin behind: %v",
			noQuorum, restartedInOutage, rotated, revoked, pluginRestarted, behind)
	}
}

func TestEveryWorldRecovers(t *testing.T) {
	for seed := range uint64(1000) {
		steps := Sequence(seed, int(seed%60))
		w := Whole()
		for _, s := range steps {
			w = w.After(s)
		}
		for _, s := range Recovery(w) {
			if s.Part == API && !w.Current(s.Host) {
				t.Fatalf("seed %d: %v before its plugin can serve it", seed, s)
			}
			w = w.After(s)
		}
		want := Whole()
		want.Version = w.Version
		if w != want.settled() {
			t.Fatalf("seed %d ends with %+v", seed, w)
		}
	}
}
