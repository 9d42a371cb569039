package hostconfig

import (
	"errors"
	"strconv"
	"strings"
)

// splitWords splits a command line into words as systemd does (systemd.syntax(7),
// "Quoting"): words in quotes, and backslash escapes as in C.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote byte
	inWord := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\':
			n, ok := unescape(&word, line[i+1:])
			if !ok {
				return nil, errors.New("a backslash that escapes nothing")
			}
			i, inWord = i+n, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case (c == '"' || c == '\'') && !inWord:
			quote, inWord = c, true
		case (c == '"' || c == '\'') && inWord: // systemd knows quotes inside a word too
			quote = c
		case c == ' ' || c == '\t' || c == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote that is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// unescape writes what an escape after a backslash means. It returns its length.
func unescape(b *strings.Builder, rest string) (n int, ok bool) {
	if rest == "" {
		return 0, false
	}
	simple := map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '"': '"', '\'': '\'', 's': ' '}
	if c, ok := simple[rest[0]]; ok {
		b.WriteByte(c)
		return 1, true
	}
	lengths := map[byte]int{'x': 2, 'u': 4, 'U': 8}
	if digits := lengths[rest[0]]; digits > 0 && len(rest) > digits {
		v, err := strconv.ParseUint(rest[1:1+digits], 16, 32)
		if err != nil || v == 0 {
			return 0, false
		}
		if rest[0] == 'x' {
			b.WriteByte(byte(v)) //nolint:gosec // two digits
		} else {
			b.WriteRune(rune(v)) //nolint:gosec // 32 bits; what is no character becomes U+FFFD
		}
		return 1 + digits, true
	}
	if rest[0] >= '0' && rest[0] <= '7' && len(rest) >= 3 {
		v, err := strconv.ParseUint(rest[:3], 8, 8)
		if err != nil || v == 0 {
			return 0, false
		}
		b.WriteByte(byte(v))
		return 3, true
	}
	return 0, false
}

// expandCommand takes the prefix off an ExecStart, splits it and puts in the variables
// (systemd.service(5), "Command lines").
func expandCommand(line string, env map[string]string) ([]string, error) {
	line = strings.TrimSpace(line)
	literal, named := false, false
	for line != "" && strings.ContainsRune("@-:+!|", rune(line[0])) {
		literal = literal || line[0] == ':'
		named = named || line[0] == '@'
		line = line[1:]
	}
	words, err := splitWords(line)
	if err != nil {
		return nil, err
	}
	if named && len(words) > 1 {
		words = append(words[:1], words[2:]...) // the second word is argv[0]
	}
	if literal {
		return words, nil
	}
	var out []string
	for i, word := range words {
		name, alone := strings.CutPrefix(word, "$")
		if i > 0 && alone && isName(name) {
			parts, err := splitWords(env[name])
			if err != nil {
				return nil, err
			}
			out = append(out, parts...)
			continue
		}
		out = append(out, substitute(word, env))
	}
	return out, nil
}

// substitute puts variables written as ${NAME} into a word; an unset one is empty.
func substitute(word string, env map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		rest := word[i:]
		end := strings.IndexByte(rest, '}')
		switch {
		case strings.HasPrefix(rest, "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(rest, "${") && end > 0 && isName(rest[2:end]):
			b.WriteString(env[rest[2:end]])
			i += end
		default:
			b.WriteByte(word[i])
		}
	}
	return b.String()
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// parseEnvironmentFile reads a file of EnvironmentFile= (systemd.exec(5)): NAME=value lines,
// comments, quotes, and lines that continue after a backslash.
func parseEnvironmentFile(text string) (env []string) {
	var line string
	for raw := range strings.Lines(text) {
		raw = strings.TrimRight(raw, "\r\n")
		if rest, more := strings.CutSuffix(raw, `\`); more {
			line += rest
			continue
		}
		line += raw
		trimmed := strings.TrimSpace(line)
		line = ""
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(trimmed, "=")
		name = strings.TrimSpace(name)
		if !ok || !isName(name) {
			continue
		}
		env = append(env, name+"="+unquote(strings.TrimSpace(value)))
	}
	return env
}

// unquote takes off the quotes of a value. Within double quotes a backslash escapes.
func unquote(value string) string {
	if len(value) < 2 || value[0] != value[len(value)-1] || value[0] != '"' && value[0] != '\'' {
		return value
	}
	inner := value[1 : len(value)-1]
	if value[0] == '"' {
		inner = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`").Replace(inner)
	}
	return inner
}
