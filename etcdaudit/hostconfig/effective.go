package hostconfig

import (
	"path"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
)

// effective says what an etcd that is started like this runs with, and which
// configuration file it names.
func (r *reader) effective(s start) (e etcdconfig.Effective, file string) {
	in := etcdconfig.Input{Release: etcdconfig.ReleaseOf(s.version), Args: s.args, Env: s.env}
	file, _ = etcdconfig.ConfigFile(in)
	if file != "" {
		text, err := r.contentOf(s, file)
		in.File = text
		if err != nil {
			in.FileErr = err.Error()
		}
	}
	e = etcdconfig.Merge(in)
	if s.unknown != "" && e.NotEvaluated == "" {
		e.NotEvaluated = s.unknown
	}
	return e, file
}

// absolute returns a path that a program was given, as from its root.
func (s start) absolute(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join("/", s.dir, name)
}

// differ reports whether an etcd would run otherwise with b than with a.
func differ(a, b etcdconfig.Effective) bool {
	if a.Refused != b.Refused || a.NotEvaluated != b.NotEvaluated || len(a.Settings) != len(b.Settings) {
		return true
	}
	for i, s := range a.Settings {
		if s.Name != b.Settings[i].Name || s.Value != b.Settings[i].Value {
			return true
		}
	}
	return false
}
