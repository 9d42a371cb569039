package doctor

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/internal/vaultfacts"
)

func fileRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-301", Title: "files", Why: "without its files the plugin cannot log in; a user who can read or replace them gets the plugin's rights", Run: checkFiles},
		{ID: "KD-302", Title: "certificates in files", Why: "with an expired certificate the plugin cannot reach Vault, and its lease runs out", Run: checkFileCertificates},
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
		return check.Unevaluated(subject, p.Err, "run doctor as root or as the plugin's user")
	case !p.Exists && file.Later:
		return check.Passed(subject, "does not exist, which is allowed with a wrapped secret-id")
	case !p.Exists:
		return check.Failed(subject, "it does not exist", "deliver the file, or correct the configuration; the plugin reads it again at every login")
	case !p.Mode.IsRegular():
		return check.Failed(subject, "it is a "+p.Kind(), "name a regular file in the configuration")
	case file.Secret && perm&0o044 != 0:
		return check.Failed(subject, fmt.Sprintf("other users may read it (mode %04o)", perm), "chmod 0600, and replace the secret: it may have been read")
	case perm&0o022 != 0:
		return check.Failed(subject, fmt.Sprintf("other users may write to it (mode %04o)", perm), "chmod go-w the file")
	case dir.Exists && dir.Mode.Perm()&0o002 != 0 && dir.Mode&fs.ModeSticky == 0:
		return check.Failed(subject, fmt.Sprintf("every user may replace it: its directory has mode %04o", dir.Mode.Perm()), "chmod o-w the directory")
	case file.OpenErr != "":
		return check.Unevaluated(subject, file.OpenErr, "run doctor as root or as the plugin's user")
	case file.Empty:
		return check.Failed(subject, "it is empty", "deliver the file again")
	case file.Foreign:
		return check.Passed(subject, fmt.Sprintf("mode %04o, belongs to %s", perm, p.Owner))
	case f.Node.Rights == nil:
		return check.Unevaluated(subject, fmt.Sprintf("mode %04o, belongs to %s; whether the plugin may read it is unknown, because the plugin's user and groups are unknown", perm, p.Owner), "start the plugin, then run doctor again")
	}
	return checkReadable(*f.Node.Rights, subject, file)
}

// checkReadable judges by the plugin's rights. The user who runs doctor often has
// more.
func checkReadable(r hostfacts.Rights, subject string, file File) check.Result {
	p := file.Path
	for _, dir := range file.Way {
		if dir.Exists && !r.May(hostfacts.MaySearch, dir) {
			return check.Failed(subject, fmt.Sprintf("the plugin (uid %d) may not enter a directory above it (mode %04o, %s)", r.UID, dir.Mode.Perm(), dir.Owner), "give the plugin's user the right to search that directory, or move the file")
		}
	}
	switch {
	case !r.May(hostfacts.MayRead, p):
		return check.Failed(subject, fmt.Sprintf("the plugin (uid %d) may not read it (mode %04o, %s)", r.UID, p.Mode.Perm(), p.Owner), "chown the file to the plugin's user")
	case file.Secret && p.UID != 0 && p.UID != r.UID:
		return check.Warned(subject, fmt.Sprintf("it belongs to %s, neither root nor the plugin's user (uid %d)", p.Owner, r.UID), "chown the file to the plugin's user")
	default:
		return check.Passed(subject, fmt.Sprintf("mode %04o, belongs to %s, and the plugin (uid %d) may read it", p.Mode.Perm(), p.Owner, r.UID))
	}
}

// soon is how long before its end a certificate gets a warning: two weeks, or a
// fifth of its lifetime if that is shorter.
func soon(c vaultfacts.Certificate) time.Duration {
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

func checkCertificate(subject string, c vaultfacts.Certificate, now time.Time) check.Result {
	until := c.NotAfter.UTC().Format(time.RFC3339)
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		return check.Failed(subject, "valid only from "+c.NotBefore.UTC().Format(time.RFC3339)+" on", "check this node's clock, or replace the certificate")
	case left <= 0:
		return check.Failed(subject, "expired on "+until, "replace the certificate; the plugin needs no restart")
	case left < soon(c):
		return check.Warned(subject, fmt.Sprintf("expires on %s, in %v", until, left.Round(time.Hour)), "replace the certificate before that; the plugin needs no restart")
	default:
		return check.Passed(subject, "valid until "+until)
	}
}
