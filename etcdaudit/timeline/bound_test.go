package timeline_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/test/testkit"
)

// inTurns is a store whose Secrets were written so many times, each second time in plaintext, as
// the last time was. Free pages have all but that one.
func inTurns(t *testing.T, o timeline.Options, secrets int, versions int64) *timeline.Collector {
	t.Helper()
	c := collector(t, o)
	live, free, _, read := database(t, c)
	for i := range secrets {
		name := fmt.Sprintf("s%03d", i)
		for n := range versions {
			place, value := free, fmt.Appendf(nil, "k8s:enc:kms:v2:p:%d", n)
			if n == versions-1 {
				place = live
			}
			if (versions-n)%2 == 1 {
				value = plaintext(name, 6*day, 6*day+n, fmt.Sprint(n))
			}
			testkit.Check(t, c.Add(place, version(name, value, 1+n, 1, 1+n)))
		}
	}
	read()
	c.Read(live, versions, []record.Input{{Name: "db", Modified: time.Unix(101*day, 0)}}, time.Time{})
	return c
}

func TestManyIntervalsOfASecretAreCounted(t *testing.T) {
	for _, versions := range []int64{1_999, 5_001} {
		s := testkit.Must(inTurns(t, timeline.Options{}, 1, versions).Timelines())(t).Secrets[0]
		n := len(s.Readable)
		if n > 1_000 || int64(n+s.Omitted) != (versions+1)/2 || s.Readable[0].Still || !s.Readable[n-1].Still {
			t.Errorf("of %d versions: %d intervals, and %d that are omitted", versions, n, s.Omitted)
		}
	}
}

// A thousand for each of twenty thousand Secrets would be gigabytes.
func TestManyIntervalsOfAllSecretsAreCounted(t *testing.T) {
	all := 0
	for _, s := range testkit.Must(inTurns(t, timeline.Options{}, 120, 1_999).Timelines())(t).Secrets {
		n := len(s.Readable)
		if all += n; n < 2 || n+s.Omitted != 1_000 || s.Readable[0].Still || !s.Readable[n-1].Still {
			t.Errorf("%s: %d intervals, and %d that are omitted", s.Name, n, s.Omitted)
		}
	}
	if all > 101_000 {
		t.Errorf("%d intervals", all)
	}
}

// An interval that has not ended is the last one, whatever the log has that began later.
func TestWhatHasNotEndedIsTheLast(t *testing.T) {
	c := collector(t, timeline.Options{})
	live, _, log, read := database(t, c)
	testkit.Check(t, c.Add(live, version("a", plaintext("a", 6*day, 6*day, "1"), 10, 10, 1)))
	testkit.Check(t, c.Add(log, record.Record{Key: []byte("/registry/secrets/n/a"), Value: plaintext("a", 9*day, 9*day, "2"), Origin: record.Origin{File: "w", Index: 30}}))
	read()
	if in := testkit.Must(c.Timelines())(t).Secrets[0].Readable; len(in) != 2 || in[0].Still || !in[1].Still {
		t.Errorf("%+v", in)
	}
}

func TestMoreVersionsOfOneSecretThanMemoryHasRoomForAreRefused(t *testing.T) {
	o := timeline.Options{Memory: 1 << 20, WorkDir: t.TempDir()}
	if got := testkit.Must(inTurns(t, o, 20, 500).Timelines())(t); len(got.Secrets) != 20 {
		t.Errorf("%d Secrets", len(got.Secrets))
	}
	_, err := inTurns(t, o, 1, 10_000).Timelines()
	if tooMuch := new(timeline.MemoryError); !errors.As(err, &tooMuch) || !strings.Contains(err.Error(), "versions of one object") || !strings.Contains(err.Error(), "--memory") {
		t.Errorf("%v", err)
	}
}
