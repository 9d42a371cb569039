package systemd

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/testkit"
)

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func TestTheEnvironmentIsReadAsTheManualPagesSay(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		want environment
	}{
		"nothing at all": {},
		"two named sockets": {
			map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "kms:local-keks.7"},
			environment{names: []string{"kms", "local-keks.7"}},
		},
		"a manager too old for names": {
			map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "2"},
			environment{names: []string{"unknown", "unknown"}},
		},
		"another process's descriptors": {map[string]string{"LISTEN_PID": "41", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "kms"}, environment{}},
		"a count without a process":     {map[string]string{"LISTEN_FDS": "2"}, environment{}},
		"no count":                      {map[string]string{"LISTEN_PID": "42"}, environment{}},
		"none":                          {map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "0", "LISTEN_FDNAMES": ""}, environment{}},
		"a path and a store": {
			map[string]string{"NOTIFY_SOCKET": "/run/systemd/notify", "FDSTORE": "4"},
			environment{notify: "/run/systemd/notify", storeMax: 4},
		},
		"an abstract address": {map[string]string{"NOTIFY_SOCKET": "@notify"}, environment{notify: "@notify"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := testkit.Must(parseEnvironment(lookupIn(tc.env), 42))(t)
			if got.notify != tc.want.notify || got.storeMax != tc.want.storeMax || !slices.Equal(got.names, tc.want.names) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestAnEnvironmentThatCannotBeIsRefusedByName(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a process id of words":     {map[string]string{"LISTEN_PID": "me"}, "LISTEN_PID"},
		"a negative process id":     {map[string]string{"LISTEN_PID": "-42"}, "LISTEN_PID"},
		"a count of words":          {map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "two"}, "LISTEN_FDS"},
		"a negative count":          {map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "-1"}, "LISTEN_FDS"},
		"a count beyond all bounds": {map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "99999999999999999999"}, "LISTEN_FDS"},
		"more than is taken over":   {map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "65"}, "at most 64"},
		"too few names":             {map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "kms"}, "1 names for 2"},
		"too many names":            {map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a:b"}, "2 names for 1"},
		"a store of words":          {map[string]string{"FDSTORE": "yes"}, "FDSTORE"},
		"a relative address":        {map[string]string{"NOTIFY_SOCKET": "notify"}, "NOTIFY_SOCKET"},
		"an empty abstract one":     {map[string]string{"NOTIFY_SOCKET": "@"}, "NOTIFY_SOCKET"},
		"one of a virtual machine":  {map[string]string{"NOTIFY_SOCKET": "vsock:2:1234"}, "NOTIFY_SOCKET"},
		"an address too long":       {map[string]string{"NOTIFY_SOCKET": "/" + strings.Repeat("x", 107)}, "the limit is 107"},
		"an address with a zero":    {map[string]string{"NOTIFY_SOCKET": "/a\x00b"}, "zero"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseEnvironment(lookupIn(tc.env), 42); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %+v, %v; want an error that says %q", got, err, tc.want)
			}
		})
	}
}

func FuzzParseEnvironment(f *testing.F) {
	f.Add("42", "2", "kms:local-keks.7", "/run/systemd/notify", "4")
	f.Add("42", "64", "", "@notify", "")
	f.Add("-1", "18446744073709551616", ":::", "vsock:2:1", "x")
	f.Fuzz(func(t *testing.T, pid, count, names, notify, store string) {
		e, err := parseEnvironment(lookupIn(map[string]string{
			"LISTEN_PID": pid, "LISTEN_FDS": count, "LISTEN_FDNAMES": names, "NOTIFY_SOCKET": notify, "FDSTORE": store,
		}), 42)
		if err != nil {
			return
		}
		if len(e.names) > maxInherited || e.storeMax < 0 {
			t.Errorf("believed %d descriptors, a store of %d", len(e.names), e.storeMax)
		}
		if e.notify != "" && (len(e.notify) > maxAddress || e.notify[0] != '/' && e.notify[0] != '@') {
			t.Errorf("believed the address %q", e.notify)
		}
	})
}

func FuzzGeneration(f *testing.F) {
	f.Add("local-keks.7")
	f.Add("local-keks.18446744073709551615")
	f.Add("local-keks.-1")
	f.Fuzz(func(t *testing.T, name string) {
		s := &Slot{name: "local-keks"}
		n, ok := s.generation(name)
		if ok && (n == 0 || n >= 1<<generationBits) {
			t.Errorf("%q is believed to be generation %d", name, n)
		}
	})
}
