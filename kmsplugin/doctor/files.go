package doctor

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/process"
)

func fileChecks() []check {
	return []check{
		{"KD-301", "files", "a missing file keeps the plugin from logging in; one that others may read or replace gives them its rights", checkFiles},
		{"KD-302", "certificates in files", "with an expired certificate Vault cannot be reached, and the lease runs", checkFileCertificates},
	}
}

func checkFiles(f Facts) (all []finding) {
	for _, file := range f.Files {
		all = append(all, checkFile(f, file))
	}
	return all
}

func checkFile(f Facts, file File) finding {
	subject := file.Key + " " + file.Name
	p, dir := file.Path, file.Parent
	perm := p.Mode.Perm()
	switch {
	case p.Err != "":
		return notEvaluated(subject, p.Err, "run it as root or as the plugin's user")
	case !p.Exists && file.Later:
		return pass(subject, "not there, as it may be with a wrapped secret-id")
	case !p.Exists:
		return fail(subject, "it does not exist", "deliver it, or correct the configuration; the plugin reads it again at every login")
	case !p.Mode.IsRegular():
		return fail(subject, "it is a "+kind(p.Mode), "name a file")
	case file.Secret && perm&0o044 != 0:
		return fail(subject, fmt.Sprintf("others may read it (mode %04o)", perm), "chmod 0600, and replace the secret: it may have been read")
	case perm&0o022 != 0:
		return fail(subject, fmt.Sprintf("others may write to it (mode %04o)", perm), "chmod go-w")
	case dir.Exists && dir.Mode.Perm()&0o002 != 0 && dir.Mode&fs.ModeSticky == 0:
		return fail(subject, fmt.Sprintf("everybody may replace it: its directory has mode %04o", dir.Mode.Perm()), "chmod o-w the directory")
	case file.OpenErr != "":
		return notEvaluated(subject, file.OpenErr, "run it as root or as the plugin's user")
	case file.Empty:
		return fail(subject, "it is empty", "deliver it again")
	case file.Foreign:
		return pass(subject, fmt.Sprintf("mode %04o, belongs to %s", perm, p.Owner))
	case f.Node.Rights == nil:
		return notEvaluated(subject, fmt.Sprintf("mode %04o, belongs to %s; whether the plugin may read it is not known, since it does not say whose rights it has", perm, p.Owner), "start the plugin, then ask again")
	}
	return checkReadable(*f.Node.Rights, subject, file)
}

// checkReadable judges by the plugin's rights: those of whoever runs this command
// are often greater.
func checkReadable(r process.Rights, subject string, file File) finding {
	const read = 0o4
	p := file.Path
	for _, dir := range file.Way {
		if dir.Exists && !may(r, search, dir) {
			return fail(subject, fmt.Sprintf("the plugin (uid %d) may not enter a directory on the way to it (mode %04o, %s)", r.UID, dir.Mode.Perm(), dir.Owner), "let the plugin's user through, or put the file elsewhere")
		}
	}
	switch {
	case !may(r, read, p):
		return fail(subject, fmt.Sprintf("the plugin (uid %d) may not read it (mode %04o, %s)", r.UID, p.Mode.Perm(), p.Owner), "chown it to the plugin's user")
	case file.Secret && p.UID != 0 && p.UID != r.UID:
		return warn(subject, fmt.Sprintf("it belongs to %s, neither root nor the plugin's user (uid %d)", p.Owner, r.UID), "chown it to the plugin's user")
	default:
		return pass(subject, fmt.Sprintf("mode %04o, belongs to %s, and the plugin (uid %d) may read it", p.Mode.Perm(), p.Owner, r.UID))
	}
}

// soon is how long before its end a certificate is worth a warning: two weeks,
// or a fifth of the life of one that is meant to live shortly.
func soon(c Certificate) time.Duration {
	return min(14*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/5)
}

func checkFileCertificates(f Facts) (all []finding) {
	for _, file := range f.Files {
		for _, c := range file.Certificates {
			all = append(all, checkCertificate(file.Key+" "+c.Subject, c, f.Now))
		}
	}
	return all
}

func checkCertificate(subject string, c Certificate, now time.Time) finding {
	until := c.NotAfter.UTC().Format(time.RFC3339)
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		return fail(subject, "valid only from "+c.NotBefore.UTC().Format(time.RFC3339)+" on", "look at this node's clock, or replace it")
	case left <= 0:
		return fail(subject, "expired on "+until, "replace it; the plugin needs no restart")
	case left < soon(c):
		return warn(subject, fmt.Sprintf("expires on %s, in %v", until, left.Round(time.Hour)), "replace it before; the plugin needs no restart")
	default:
		return pass(subject, "valid until "+until)
	}
}
