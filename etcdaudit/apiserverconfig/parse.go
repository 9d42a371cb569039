package apiserverconfig

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealproof/sealproof/internal/safeurl"
)

// mostUnknown bounds the flags that may be unknown: each costs a pass over all arguments.
const mostUnknown = 50

// Parse reads the arguments after the program's name.
//
// A flag that neither 1.36 nor 1.37 has is listed in Unknown. Whether it takes the next word
// as its value is not known then; it is taken to do so, since kube-apiserver refuses words
// that are no flags.
func Parse(args []string) Config {
	unknown := map[string]bool{} // whether it was written without a value
	for {
		c, missing := parse(args, unknown)
		if missing == "" {
			return c
		}
		if len(unknown) == mostUnknown {
			c.Refused = fmt.Sprintf("more than %d unknown flags", mostUnknown)
			return c
		}
		unknown[missing] = bare(args, missing)
	}
}

// bare reports whether no value can follow a flag.
func bare(args []string, name string) bool {
	for i, arg := range args {
		if arg == "--"+name {
			return i+1 == len(args) || strings.HasPrefix(args[i+1], "-")
		}
	}
	return false
}

// parse reads the arguments with some further flags. It returns the name of the first flag
// that is still missing.
func parse(args []string, further map[string]bool) (c Config, missing string) {
	fs := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	declare(fs)
	for name, bare := range further {
		fs.StringArray(name, nil, "")
		if bare {
			fs.Lookup(name).NoOptDefVal = "true"
		}
	}
	c.Given = map[string][]string{}
	err := fs.ParseAll(args, func(flag *pflag.Flag, value string) error {
		if err := fs.Set(flag.Name, value); err != nil {
			return err
		}
		if _, ok := further[flag.Name]; ok {
			if !slices.Contains(c.Unknown, flag.Name) {
				c.Unknown = append(c.Unknown, flag.Name)
			}
			c.Given[flag.Name] = nil
			return nil
		}
		c.Given[flag.Name] = given(flag, c.Given[flag.Name], value)
		return nil
	})
	if flag, ok := errors.AsType[*pflag.NotExistError](err); ok && flag.GetSpecifiedShortnames() == "" {
		return c, flag.GetSpecifiedName()
	}
	c.Refused = refusal(fs, err)
	c.fill(fs)
	c.Refused = cmp.Or(c.Refused, c.validate())
	return c, ""
}

// given adds a value to those of a flag, or the items of it if the flag is a list.
func given(flag *pflag.Flag, before []string, value string) []string {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return append(before, value)
}

// refusal says why the program ends before it looks at what the flags say: cobra refuses
// words that are no flags, and --help and --version print and exit.
func refusal(fs *pflag.FlagSet, err error) string {
	if err != nil {
		return safeReason(err)
	}
	for i, word := range fs.Args() {
		if word != "" {
			return fmt.Sprintf("kube-apiserver takes no arguments, but a word that is no flag is given (word %d after the flags)", i+1)
		}
	}
	for _, name := range []string{"help", "version"} {
		if f := fs.Lookup(name); f.Changed && f.Value.String() != "false" {
			return fmt.Sprintf("--%s prints a text and ends the program", name)
		}
	}
	return ""
}

// safeReason is an error of pflag's without what it quotes, which may be a password.
func safeReason(err error) string {
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return "invalid argument for --" + e.GetFlag().Name
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok && e.GetFlag() != nil {
		return "flag needs an argument: --" + e.GetFlag().Name
	}
	if _, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return "unknown shorthand flag: a word begins with one dash"
	}
	return "a word of the command line has no flag's form"
}

// fill sets the fields from the flags.
func (c *Config) fill(fs *pflag.FlagSet) {
	text := func(name, ifAbsent string) string {
		if f := fs.Lookup(name); f.Changed {
			return f.Value.String()
		}
		return ifAbsent
	}
	c.EtcdCA, c.EtcdCert, c.EtcdKey = text("etcd-cafile", ""), text("etcd-certfile", ""), text("etcd-keyfile", "")
	c.EtcdPrefix = text("etcd-prefix", "/registry")
	c.EncryptionConfig = text("encryption-provider-config", "")
	c.EncryptionReload = text("encryption-provider-config-automatic-reload", "false") == "true"
	c.AnonymousAuth = text("anonymous-auth", "true") == "true"
	c.AuthenticationConfig, c.TokenAuthFile = text("authentication-config", ""), text("token-auth-file", "")
	c.AuthorizationModes, c.AuthorizationConfig = c.Given["authorization-mode"], text("authorization-config", "")
	if len(c.AuthorizationModes) == 0 && c.AuthorizationConfig == "" {
		c.AuthorizationModes = []string{AlwaysAllow} // k8s.io/kubernetes pkg/kubeapiserver/options/authorization.go
	}
	c.AuditPolicy = text("audit-policy-file", "")
	c.AuditLog, c.AuditWebhook = text("audit-log-path", ""), text("audit-webhook-config-file", "")
	c.TLSCert, c.TLSKey = text("tls-cert-file", ""), text("tls-private-key-file", "")
	c.ClientCA, c.KubeletClientCert = text("client-ca-file", ""), text("kubelet-client-certificate", "")
	c.TLSMinVersion, c.CipherSuites = text("tls-min-version", ""), c.Given["tls-cipher-suites"]
	c.BindAddress, c.AdvertiseAddress = text("bind-address", "0.0.0.0"), text("advertise-address", "")
	c.SecurePort = 6443
	if fs.Changed("secure-port") {
		c.SecurePort, _ = fs.GetInt("secure-port")
	}
	for _, values := range c.Given { // an address may be in any of them
		for i, text := range values {
			values[i] = safeurl.WithoutUserinfo(text)
		}
	}
	if servers := c.Given["etcd-servers"]; len(servers) > 0 {
		c.Etcds = append(c.Etcds, Etcd{Servers: servers})
	}
}
