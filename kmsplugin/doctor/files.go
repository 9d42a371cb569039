package doctor

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

func fileRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-301", Title: "files", Why: "a missing file keeps the plugin from logging in; one that others may read or replace gives them its rights", Run: checkFiles},
		{ID: "KD-302", Title: "certificates in files", Why: "with an expired certificate Vault cannot be reached, and the lease runs", Run: checkFileCertificates},
	}
}

func checkFiles(f Facts) (all []check.Result) {
	for _, file := range f.Files {
		all = append(all, checkFile(f, file))
	}
	return all
}

func checkFile(f Facts, file File) check.Result {
	subject := file.Key + " " + file.Name
	p, dir := file.Path, file.Parent
	perm := p.Mode.Perm()
	switch {
	case p.Err != "":
		return check.Unevaluated(subject, p.Err, "run it as root or as the plugin's user")
	case !p.Exists && file.Later:
		return check.Passed(subject, "not there, as it may be with a wrapped secret-id")
	case !p.Exists:
		return check.Failed(subject, "it does not exist", "deliver it, or correct the configuration; the plugin reads it again at every login")
	case !p.Mode.IsRegular():
		return check.Failed(subject, "it is a "+p.Kind(), "name a file")
	case file.Secret && perm&0o044 != 0:
		return check.Failed(subject, fmt.Sprintf("others may read it (mode %04o)", perm), "chmod 0600, and replace the secret: it may have been read")
	case perm&0o022 != 0:
		return check.Failed(subject, fmt.Sprintf("others may write to it (mode %04o)", perm), "chmod go-w")
	case dir.Exists && dir.Mode.Perm()&0o002 != 0 && dir.Mode&fs.ModeSticky == 0:
		return check.Failed(subject, fmt.Sprintf("everybody may replace it: its directory has mode %04o", dir.Mode.Perm()), "chmod o-w the directory")
	case file.OpenErr != "":
		return check.Unevaluated(subject, file.OpenErr, "run it as root or as the plugin's user")
	case file.Empty:
		return check.Failed(subject, "it is empty", "deliver it again")
	case file.Foreign:
		return check.Passed(subject, fmt.Sprintf("mode %04o, belongs to %s", perm, p.Owner))
	case f.Node.Rights == nil:
		return check.Unevaluated(subject, fmt.Sprintf("mode %04o, belongs to %s; whether the plugin may read it is not known, since it does not say whose rights it has", perm, p.Owner), "start the plugin, then ask again")
	}
	return checkReadable(*f.Node.Rights, subject, file)
}

// checkReadable judges by the plugin's rights: those of whoever runs this command
// are often greater.
func checkReadable(r hostfacts.Rights, subject string, file File) check.Result {
	p := file.Path
	for _, dir := range file.Way {
		if dir.Exists && !r.May(hostfacts.MaySearch, dir) {
			return check.Failed(subject, fmt.Sprintf("the plugin (uid %d) may not enter a directory on the way to it (mode %04o, %s)", r.UID, dir.Mode.Perm(), dir.Owner), "let the plugin's user through, or put the file elsewhere")
		}
	}
	switch {
	case !r.May(hostfacts.MayRead, p):
		return check.Failed(subject, fmt.Sprintf("the plugin (uid %d) may not read it (mode %04o, %s)", r.UID, p.Mode.Perm(), p.Owner), "chown it to the plugin's user")
	case file.Secret && p.UID != 0 && p.UID != r.UID:
		return check.Warned(subject, fmt.Sprintf("it belongs to %s, neither root nor the plugin's user (uid %d)", p.Owner, r.UID), "chown it to the plugin's user")
	default:
		return check.Passed(subject, fmt.Sprintf("mode %04o, belongs to %s, and the plugin (uid %d) may read it", p.Mode.Perm(), p.Owner, r.UID))
	}
}

// soon is how long before its end a certificate is worth a warning: two weeks,
// or a fifth of the life of one that is meant to live shortly.
func soon(c Certificate) time.Duration {
	return min(14*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/5)
}

func checkFileCertificates(f Facts) (all []check.Result) {
	for _, file := range f.Files {
		for _, c := range file.Certificates {
			all = append(all, checkCertificate(file.Key+" "+c.Subject, c, f.Now))
		}
	}
	return all
}

func checkCertificate(subject string, c Certificate, now time.Time) check.Result {
	until := c.NotAfter.UTC().Format(time.RFC3339)
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		return check.Failed(subject, "valid only from "+c.NotBefore.UTC().Format(time.RFC3339)+" on", "look at this node's clock, or replace it")
	case left <= 0:
		return check.Failed(subject, "expired on "+until, "replace it; the plugin needs no restart")
	case left < soon(c):
		return check.Warned(subject, fmt.Sprintf("expires on %s, in %v", until, left.Round(time.Hour)), "replace it before; the plugin needs no restart")
	default:
		return check.Passed(subject, "valid until "+until)
	}
}
