package timeline_test

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/test/testkit"
)

// daily is a store in which an object was created each day, with revisions ten apart.
func daily(t *testing.T, days int64, others ...record.Record) (*timeline.Collector, timeline.Timelines) {
	t.Helper()
	c := collector(t, timeline.Options{})
	live := testkit.Must(c.Place(timeline.Place{Layer: record.Live, Prefix: "/registry/"}))(t)
	for i := range days {
		others = append(others, record.Record{Key: []byte("/registry/configmaps/n/x"), Value: plaintext("x", (i+1)*day, (i+1)*day, ""), ModRevision: 10 * (i + 1), CreateRevision: 10 * (i + 1), Version: 1})
	}
	for _, r := range others {
		testkit.Check(t, c.Add(live, r))
	}
	c.Read(live, 10*days+1, []record.Input{{Name: "db", Modified: time.Unix((days+1)*day, 0)}}, time.Time{})
	return c, testkit.Must(c.Timelines())(t)
}

func configMap(revision, created int64) record.Record {
	return record.Record{Key: []byte("/registry/configmaps/n/wrong"), Value: plaintext("wrong", created, 0, ""), ModRevision: revision, CreateRevision: revision, Version: 1}
}

// A Secret without times of its own, which the clock alone dates: it was written on day 50.
func dated() record.Record {
	return version("dated", []byte(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"dated"},"data":{"p":"1"}}`), 505, 505, 1)
}

func TestSingleWrongTimesDoNotBoundOthers(t *testing.T) {
	const from = "50.000 revision clock to 51.001 revision clock"
	var many []record.Record
	for i := range int64(4) {
		many = append(many, configMap(603+10*i, (3+i)*day), configMap(203+10*i, (90+i)*day))
	}
	again := configMap(603, 3*day) // the same object, as often as it has versions
	again.ModRevision, again.Version = 805, 2
	for name, tt := range map[string]struct {
		wrong []record.Record
		left  int
	}{
		"none":                           {nil, 0},
		"an old one behind it":           {[]record.Record{configMap(603, 3*day)}, 1},
		"an old one that is seen again":  {[]record.Record{configMap(603, 3*day), again}, 1},
		"an old one at the end":          {[]record.Record{configMap(1000, 3*day)}, 1},
		"a future one before it":         {[]record.Record{configMap(203, 90*day)}, 1},
		"one later than the file itself": {[]record.Record{configMap(203, 300*day)}, 1},
		"one of each":                    {[]record.Record{configMap(603, 3*day), configMap(203, 90*day)}, 2},
		"several of each":                {many, 8},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := daily(t, 100, append(tt.wrong, dated())...)
			if got.LeftOut != tt.left || got.Disagreement != 0 || got.Allowance != skew {
				t.Errorf("left out %d, want %d; disagreement %v, allowance %v", got.LeftOut, tt.left, got.Disagreement, got.Allowance)
			}
			if s := got.Secrets[0]; s.Name != "dated" || short(s.Readable[0].From) != from {
				t.Errorf("%s, want %s", short(s.Readable[0].From), from)
			}
		})
	}
}

// The Secret whose own times are wrong is dated by the others.
func TestTheTimesOfASecretThatAllOthersContradictAreNotBelieved(t *testing.T) {
	for name, own := range map[string][2]int64{
		"created long before":             {3 * day, 3 * day},
		"created later":                   {90 * day, 90 * day},
		"managedFields later":             {50*day + 10, 90 * day},
		"managedFields before all others": {50*day + 10, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := daily(t, 100, version("own", plaintext("own", own[0], own[1], "1"), 505, 505, 1))
			b := got.Secrets[0].Readable[0].From
			if truth := float64(50*day + 3600); got.Disagreement != 0 || !contains(b, truth) && own[0] != 50*day+10 || b.NotAfter.Time.Sub(b.NotBefore.Time) > 26*time.Hour {
				t.Errorf("%s, disagreement %v", short(b), got.Disagreement)
			}
			if own[0] == 50*day+10 && !contains(b, 50*day+20) {
				t.Errorf("%s", short(b))
			}
		})
	}
}

// Half of the writes are by an API server whose clock is wrong: nothing says which half.
func TestAClockThatIsWrongIsNoSingleTime(t *testing.T) {
	var half []record.Record
	for i := range int64(100) {
		half = append(half, configMap(10*i+15, (i+1)*day-7*day))
	}
	if _, got := daily(t, 100, append(half, dated())...); got.LeftOut != 0 || got.Disagreement < 6*24*time.Hour {
		t.Errorf("left out %d, disagreement %v", got.LeftOut, got.Disagreement)
	}
}

// More points than a clock keeps: an outlier that is met first bounds none of those that follow.
func TestAWrongTimeThatIsReadFirstDoesNotHideOthers(t *testing.T) {
	const days = 40_000
	_, got := daily(t, days, configMap(203, 20_000*day/2), dated())
	b := got.Secrets[0].Readable[0].From
	if got.LeftOut != 1 || got.Disagreement != 0 || !contains(b, float64(50*day+3600)) {
		t.Errorf("left out %d, disagreement %v, %s", got.LeftOut, got.Disagreement, short(b))
	}
}
