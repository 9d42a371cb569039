package tls

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
)

func postQuantum() rule {
	return rule{
		ID: "EA-312", Title: "A post-quantum key exchange is offered", Severity: check.Info,
		Why:   "traffic that is recorded today may be read once large quantum computers exist; Secrets often live that long",
		Reads: "the groups that each address accepts for the key exchange",
		Needs: needs{reachable, speaksTLS}, Run: one(judgePostQuantum),
	}
}

func judgePostQuantum(a at) check.Result {
	var hybrid, all []string
	for _, g := range a.l.Served.Groups {
		all = append(all, group(g))
		if slices.Contains([]uint16{4587, 4588, 4589}, g) {
			hybrid = append(hybrid, group(g))
		}
	}
	evidence := a.offered("groups: " + strings.Join(all, ", "))
	if len(hybrid) > 0 {
		return with(check.Passed("", strings.Join(hybrid, ", ")), evidence)
	}
	if r, ok := a.enumerated("MLKEM"); !ok {
		return with(r, evidence)
	}
	if !slices.Contains(a.l.Served.Versions, 0x0304) {
		return with(check.Warned("", "TLS 1.3 is not spoken, and only it has such a key exchange", "allow TLS 1.3 (no --tls-max-version)"), evidence)
	}
	return with(check.Warned("", "only "+strings.Join(all, ", "), "use a release of etcd built with Go 1.24 or later, which offers X25519MLKEM768 by itself"), evidence)
}

// group is the name of a group of the key exchange (IANA, "TLS Supported Groups").
func group(id uint16) string {
	names := map[uint16]string{
		21: "secp224r1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 29: "x25519", 30: "x448", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096",
		4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768", 4589: "SecP384r1MLKEM1024",
	}
	if name, ok := names[id]; ok {
		return name
	}
	return fmt.Sprintf("group %d", id)
}
