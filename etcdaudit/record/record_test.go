package record_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

func TestScopesAreNamedByWhatWasRead(t *testing.T) {
	file := func(name string) record.Input { return record.Input{Name: name, Bytes: 1} }
	for want, s := range map[string]record.Scope{
		"live:cdf8:/registry/":                         {Layer: record.Live, ClusterID: "cdf8", Sources: []record.Input{{Name: "https://a:1"}, {Name: "https://b:1"}}},
		"live:https://a:1, https://b:1:/registry/":     {Layer: record.Live, Sources: []record.Input{{Name: "https://a:1"}, {Name: "https://b:1"}}},
		"live:cdf8:/d/member/snap/db:/registry/":       {Layer: record.Live, ClusterID: "cdf8", Member: "8e", Sources: []record.Input{file("/d/member/snap/db")}},
		"wal:cdf8:/d/member/wal:/registry/":            {Layer: record.WAL, ClusterID: "cdf8", Member: "8e", Sources: []record.Input{file("/d/member/wal/0.wal"), file("/d/member/wal/1.wal")}},
		"wal:/d/member/wal/0.wal, /e/0.wal:/registry/": {Layer: record.WAL, Sources: []record.Input{file("/d/member/wal/0.wal"), file("/e/0.wal")}},
		"wal:/d/member/wal/0.wal:/registry/":           {Layer: record.WAL, Sources: []record.Input{file("/d/member/wal/0.wal")}},
	} {
		s.Prefix = "/registry/"
		if got := s.ID(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAStoreIsNamedByItsClusterOrByWhatWasRead(t *testing.T) {
	for want, s := range map[string]record.Scope{
		"cdf8":                     {ClusterID: "cdf8", Sources: []record.Input{{Name: "https://a:1"}}},
		"/a.db":                    {Sources: []record.Input{{Name: "/a.db", Bytes: 1}}},
		"https://a:1, https://b:1": {Layer: record.Live, Sources: []record.Input{{Name: "https://b:1"}, {Name: "https://a:1"}}},
	} {
		if got := s.Store(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestFilesAreToldFromARunningEtcd(t *testing.T) {
	for _, tc := range []struct {
		layer record.Layer
		input record.Input
		want  bool
	}{
		{record.Live, record.Input{Name: "https://a:1"}, false},
		{record.Live, record.Input{Name: "/a.db", Bytes: 1}, true},
		{record.History, record.Input{Name: "https://a:1"}, false},
		{record.History, record.Input{Name: "/a.db", Bytes: 1}, true},
		{record.WAL, record.Input{Name: "/0.wal"}, true},
	} {
		if got := (record.Scope{Layer: tc.layer, Sources: []record.Input{tc.input}}).OfFiles(); got != tc.want {
			t.Errorf("%s of %+v: %v", tc.layer, tc.input, got)
		}
	}
}
