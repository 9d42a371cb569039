package hostconfig

import (
	"path"
	"strings"
)

// option is one line of a unit file.
type option struct{ section, name, value string }

// parseUnit reads a file of systemd.syntax(7). A line that ends with a backslash continues
// on the next one that is no comment. go-systemd's reader is not used: it refuses lines
// over 2048 bytes, which systemd takes and API servers need.
func parseUnit(text string) (options []option) {
	section, line := "", ""
	for raw := range strings.Lines(text + "\n") {
		raw = strings.TrimRight(raw, "\r\n")
		trimmed := strings.TrimSpace(raw)
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		if rest, more := strings.CutSuffix(raw, `\`); more {
			line += rest + " "
			continue
		}
		line = strings.TrimSpace(line + raw)
		name, value, ok := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
		case ok:
			options = append(options, option{section, strings.TrimSpace(name), strings.TrimSpace(value)})
		}
		line = ""
	}
	return options
}

// service is what matters here of a service unit with its drop-ins.
type service struct {
	command          string // ExecStart
	environment      []string
	environmentFiles []string
	dir              string
}

// newService takes the options of a unit file and then of its drop-ins. An empty value
// takes back what was given before (systemd.service(5), systemd.exec(5)).
func newService(options []option) (s service) {
	for _, o := range options {
		if o.section != "Service" {
			continue
		}
		switch o.name {
		case "ExecStart":
			if s.command == "" || o.value == "" {
				s.command = o.value // of several commands the first one
			}
		case "Environment":
			s.environment = append(s.environment, o.value)
			if o.value == "" {
				s.environment = nil
			}
		case "EnvironmentFile":
			s.environmentFiles = append(s.environmentFiles, o.value)
			if o.value == "" {
				s.environmentFiles = nil
			}
		case "WorkingDirectory":
			s.dir = strings.TrimPrefix(o.value, "-")
		}
	}
	return s
}

// specifiers replaces those of systemd.unit(5) that a unit's name and the host's tell. ok is
// false if there are others.
func specifiers(text, unit, host string) (replaced string, ok bool) {
	name := strings.TrimSuffix(unit, path.Ext(unit))
	prefix, instance, _ := strings.Cut(name, "@")
	short, _, _ := strings.Cut(host, ".")
	values := map[byte]string{'%': "%", 'n': unit, 'N': name, 'p': prefix, 'i': instance, 'I': instance, 'H': host, 'l': short, 't': "/run", 'S': "/var/lib", 'E': "/etc", 'L': "/var/log", 'C': "/var/cache"}
	var b strings.Builder
	ok = true
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		value, known := values[text[i]]
		if !known {
			value, ok = text[i-1:i+1], false
		}
		b.WriteString(value)
	}
	return b.String(), ok
}
