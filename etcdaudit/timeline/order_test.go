package timeline_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/test/testkit"
)

// database makes the places of a database, and ends the reading of it at revision 20.
func database(t *testing.T, c *timeline.Collector) (live, free, log int, read func()) {
	t.Helper()
	var at []int
	for _, layer := range []record.Layer{record.Live, record.FreePages, record.WAL} {
		at = append(at, testkit.Must(c.Place(timeline.Place{Layer: layer, Prefix: "/registry/"}))(t))
	}
	return at[0], at[1], at[2], func() {
		for _, place := range at {
			c.Read(place, 20, []record.Input{{Name: "db", Modified: time.Unix(101*day, 0)}}, time.Time{})
		}
	}
}

// The key of the HMACs differs from one collector to the next, and with it the order of two values
// of one revision: twenty collectors would agree on a wrong order once in a million times.
func TestACopyThatIsCutIsTheVersionItIsOf(t *testing.T) {
	whole := plaintext("a", 6*day, 6*day, string(bytes.Repeat([]byte("x"), 2000)))
	for name, cut := range map[string][]byte{"in the middle": whole[:600], "before anything that tells what it is": whole[:3]} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				c := collector(t, timeline.Options{})
				live, free, log, read := database(t, c)
				testkit.Check(t, c.Add(free, version("a", cut, 10, 10, 1)))
				testkit.Check(t, c.Add(live, version("a", whole, 10, 10, 1)))
				testkit.Check(t, c.Add(log, record.Record{Key: []byte("/registry/secrets/n/a"), Value: whole, Origin: record.Origin{File: "w", Index: 30}}))
				read()
				s := testkit.Must(c.Timelines())(t).Secrets[0]
				if s.Values != 1 || len(s.Readable) != 1 || !s.Readable[0].Still {
					t.Fatalf("%+v", s)
				}
			}
		})
	}
}

func TestAPutThatWasNotCarriedOutEndsNothing(t *testing.T) {
	for name, created := range map[string]int64{"of the same object": 6 * day, "of another object of that name": 9 * day} {
		t.Run(name, func(t *testing.T) {
			c := collector(t, timeline.Options{})
			live, _, log, read := database(t, c)
			now := plaintext("a", 6*day, 6*day, "1")
			testkit.Check(t, c.Add(live, version("a", now, 10, 10, 1)))
			for i, value := range [][]byte{now, plaintext("a", created, 9*day, "2")} {
				testkit.Check(t, c.Add(log, record.Record{Key: []byte("/registry/secrets/n/a"), Value: value, Origin: record.Origin{File: "w", Index: uint64(30 + i)}}))
			}
			read()
			s := testkit.Must(c.Timelines())(t).Secrets[0]
			if s.Values != 2 || !s.Readable[len(s.Readable)-1].Still {
				t.Errorf("%+v", s)
			}
		})
	}
}

// What a later revision has replaced is not live, whatever an older source has.
func TestALaterRevisionEndsWhatAnOlderStoreHas(t *testing.T) {
	for range 20 {
		c := collector(t, timeline.Options{})
		live, free, _, read := database(t, c)
		testkit.Check(t, c.Add(live, version("a", plaintext("a", 6*day, 6*day, "1"), 10, 10, 1)))
		testkit.Check(t, c.Add(free, version("a", []byte("k8s:enc:kms:v2:p:x"), 25, 10, 2)))
		testkit.Check(t, c.Add(free, version("a", []byte("k8s"), 25, 10, 2)))
		read()
		if s := testkit.Must(c.Timelines())(t).Secrets[0]; s.Values != 1 || len(s.Readable) != 1 || s.Readable[0].Still {
			t.Fatalf("%+v", s)
		}
	}
}
