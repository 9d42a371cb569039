package hostconfig

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// look searches arguments and variables for secrets. The values are looked at here and
// nowhere else: what is returned has names only.
func look(source, program string, args, env []string) facts.Looked {
	l := facts.Looked{Source: source, Program: program, Arguments: len(args), Variables: len(env)}
	for i, arg := range args {
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case !strings.HasPrefix(arg, "-"):
			// The value of the flag before it was seen with that.
			if i > 0 && strings.HasPrefix(args[i-1], "-") && !strings.Contains(args[i-1], "=") {
				continue
			}
			if assigned, to, ok := strings.Cut(arg, "="); ok && isName(assigned) { // of a shell, or of env
				if name, value = assigned, to; reference(value) {
					continue
				}
				break
			}
			name, value = fmt.Sprintf("argument %d", i+1), arg
		case !given && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			name, value = "--"+name, args[i+1]
		default:
			name = "--" + name
		}
		if why := secretIn(name, value); why != "" {
			l.Found = append(l.Found, facts.Word{Argument: true, Name: name, Why: why})
		}
	}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		if why := secretIn(name, value); why != "" {
			l.Found = append(l.Found, facts.Word{Name: name, Why: why})
		}
	}
	return l
}

// searched are the words of a command that are searched for secrets: those after its first, of
// a shell those of the text that it runs. missing is why they are not all that is run.
func searched(command []string) (args []string, missing string) {
	if len(command) == 0 {
		return nil, ""
	}
	if !startedByShell(command) {
		return command[1:], ""
	}
	runs := slices.IndexFunc(command, regexp.MustCompile(`^-[a-z]*c$`).MatchString)
	if runs < 0 || runs+1 == len(command) {
		return command[1:], "it is started by a shell script, which is not searched"
	}
	// A separator is a word of its own, so that it ends a command whose last word is a flag.
	text := regexp.MustCompile("[;&|()`\n]+").ReplaceAllString(strings.Join(command[runs+1:], " "), " ; ")
	return strings.Fields(strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(text)), ""
}

// reference reports whether a shell takes a value from elsewhere: $NAME, ${NAME}, or the begin
// of $(command).
func reference(value string) bool {
	return regexp.MustCompile(`^\$(\w+|\{\w+\})?$`).MatchString(value)
}

// secretIn says why a value is taken for a secret; "" if it is not.
func secretIn(name, value string) string {
	if regexp.MustCompile(`://[^/@\s:]*:[^@\s]+@`).MatchString(value) {
		return "an address with a password"
	}
	if regexp.MustCompile(`\bhv[sbr]\.[A-Za-z0-9_-]{20}`).MatchString(value) {
		return "a token of Vault"
	}
	lower := strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
	if strings.HasSuffix(lower, "-user") && strings.Contains(value, ":") {
		return "a user with a password" // ETCDCTL_USER
	}
	if secretName(lower) && !harmless(value) {
		return "its name is that of a secret"
	}
	return ""
}

// secretName reports whether a name, in lower case, is one that secrets have.
func secretName(name string) bool {
	for _, suffix := range []string{"-file", "-version", "-ttl", "-provider", "-config-secret"} {
		if strings.HasSuffix(name, suffix) {
			return false // it says where or of which kind a secret is
		}
	}
	switch strings.TrimPrefix(strings.TrimLeft(name, "-"), "etcd-") {
	case "auth-token", "experimental-auth-token", // etcd: the kind of its tokens
		"initial-cluster-token": // makes the ids of clusters differ, and lets no one in
		return false
	}
	return regexp.MustCompile(`passw(or)?d|passphrase|secret|token|credential|api-?key|access-key$|private-key`).MatchString(name)
}

// harmless reports whether a value is none of a secret: a switch, a number, a time, or the
// path of the file that has the secret. Base64 may begin with a slash: a path has two at least,
// and characters that base64 has not are none of it.
func harmless(value string) bool {
	return regexp.MustCompile(`^(true|false|[\d.]+|(\d+(\.\d+)?(d|h|m|s|ms))+|(file:)?(/[\w.@:%~-]+){2,}/?|)$`).MatchString(value)
}
