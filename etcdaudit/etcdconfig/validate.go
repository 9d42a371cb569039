package etcdconfig

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validate refuses what embed.Config.Validate refuses.
func (c *configuration) validate() {
	c.validateLogging()
	for _, pair := range c.renamed() {
		if c.explicit[pair[0]] && c.explicit[pair[1]] {
			c.refuse("%s and %s are both given: etcd accepts one of them only", pair[0], pair[1])
		}
	}
	for _, name := range []string{"listen-peer-urls", "listen-client-urls", "listen-client-http-urls", "listen-metrics-urls"} {
		for _, item := range c.values[name].items {
			c.bindable(name, item)
		}
	}
	for _, name := range []string{"initial-advertise-peer-urls", "advertise-client-urls"} {
		for _, item := range c.values[name].items {
			c.reachable(name, item)
		}
	}
	c.validateBootstrap()
	c.validateTimes()
	if c.values["listen-client-urls"].items != nil && c.values["advertise-client-urls"].items == nil && !c.mayBeProxy() {
		c.refuse("listen-client-urls without advertise-client-urls")
	}
	c.validateFeatures()
	c.validateTLSVersions()
}

func (c *configuration) validateLogging() {
	if v := c.values["log-outputs"]; len(v.items) == 0 {
		v.items = []string{"default"}
	}
	outputs := c.values["log-outputs"].items
	if logger := c.values["logger"].text(); logger != "zap" {
		c.refuse("logger %q is not known: zap is the only one", logger)
	}
	if len(outputs) > 1 && (slices.Contains(outputs, "default") || slices.Contains(outputs, "systemd/journal")) {
		c.refuse("log-outputs has default or systemd/journal beside other outputs")
	}
	if slices.Contains(outputs, "") {
		c.refuse("log-outputs has an empty output")
	}
	if c.values["enable-log-rotation"].isTrue() {
		c.validateRotation(outputs)
	}
	// The names of zap's levels (zapcore.Level.UnmarshalText).
	levels := []string{"", "debug", "info", "warn", "error", "dpanic", "panic", "fatal"}
	if c.release.Minor > 6 {
		levels = append(levels, "warning")
	}
	if level := strings.ToLower(c.values["log-level"].text()); !slices.Contains(levels, level) {
		c.refuse("log-level %q is not known", level)
	}
	if format := c.values["log-format"]; format != nil && !slices.Contains([]string{"", "json", "console"}, format.text()) {
		c.refuse("log-format %q is not known: it takes json or console", format.text())
	}
}

func (c *configuration) validateRotation(outputs []string) {
	files := 0
	for _, output := range outputs {
		if !slices.Contains([]string{"default", "stderr", "stdout"}, output) {
			files++
		}
	}
	if files > 1 || files == 0 && len(outputs) == 1 {
		c.refuse("enable-log-rotation wants one file in log-outputs")
	}
	var rotation struct {
		Filename                    string
		MaxSize, MaxAge, MaxBackups int
		LocalTime, Compress         bool
	}
	if err := json.Unmarshal([]byte(c.values["log-rotation-config-json"].text()), &rotation); err != nil {
		c.refuse("log-rotation-config-json is not the JSON of log rotation")
	}
}

// bindable follows checkBindURLs: an address to listen on has no name in it.
func (c *configuration) bindable(name, item string) {
	u, err := url.Parse(item)
	if err != nil || u.Scheme == "unix" || u.Scheme == "unixs" {
		return
	}
	host, _, err := net.SplitHostPort(u.Host)
	switch {
	case err != nil:
		c.refuse("%s: %s has no host:port", name, u.Redacted())
	case host != "localhost" && net.ParseIP(host) == nil:
		c.refuse("%s: %s is not an IP address", name, u.Redacted())
	}
}

// reachable follows checkHostURLs.
func (c *configuration) reachable(name, item string) {
	u, err := url.Parse(item)
	if err != nil || c.release.Minor > 6 && (u.Scheme == "unix" || u.Scheme == "unixs") {
		return
	}
	if host, _, err := net.SplitHostPort(u.Host); err != nil || host == "" {
		c.refuse("%s: %s has no host:port", name, u.Redacted())
	}
}

func (c *configuration) validateBootstrap() {
	if state := c.values["initial-cluster-state"].text(); state != "new" && state != "existing" {
		c.refuse("initial-cluster-state takes new or existing")
	}
	ways := 0
	for _, name := range []string{"initial-cluster", "discovery", "discovery-srv", "discovery-endpoints"} {
		if v := c.values[name]; v != nil && (v.text() != "" || name == "discovery-endpoints" && len(v.items) > 0) {
			ways++
		}
	}
	if ways > 1 {
		c.refuse("more than one of initial-cluster, discovery, discovery-srv and discovery-endpoints is given")
	}
	endpoints, token := c.values["discovery-endpoints"], c.values["discovery-token"]
	if endpoints == nil {
		return
	}
	if (token.text() != "") != (len(endpoints.items) > 0) {
		c.refuse("discovery-token and discovery-endpoints go together")
	}
	if slices.ContainsFunc(endpoints.items, func(e string) bool { return strings.TrimSpace(e) == "" }) {
		c.refuse("discovery-endpoints has an empty one")
	}
	if c.release.Minor == 6 {
		c.refuseCleared()
	}
	if c.values["discovery-proxy"].text() == "" {
		return
	}
	for _, name := range []string{"endpoints", "token", "cert", "key", "cacert", "user", "password"} {
		if c.values["discovery-"+name].text() != "" {
			c.refuse("discovery-proxy and discovery-%s are of different protocols", name)
		}
	}
}

// refuseCleared refuses a section that etcd follows a pointer to without a look.
func (c *configuration) refuseCleared() {
	if c.cleared != "" {
		c.refuse("discovery-config.client.%s must not be null", c.cleared)
	}
}

func (c *configuration) validateTimes() {
	tick, election := c.unsigned("heartbeat-interval"), c.unsigned("election-timeout")
	switch {
	case tick == 0 || election == 0:
		c.refuse("heartbeat-interval and election-timeout must not be 0")
	case 5*tick > election: // etcd's multiplication may overflow as well
		c.refuse("election-timeout must be at least 5 times heartbeat-interval")
	case election > 50000:
		c.refuse("election-timeout must not be more than 50000")
	}
	for _, name := range []string{"compact-hash-check-time", "experimental-compact-hash-check-time"} {
		if v := c.values[name]; v != nil {
			if d, err := time.ParseDuration(v.text()); err == nil && d <= 0 {
				c.refuse("%s must be more than 0", name)
			}
		}
	}
	mode := c.values["auto-compaction-mode"].text()
	if mode != "periodic" && mode != "revision" && (mode != "" || c.release.Minor > 5) {
		c.refuse("auto-compaction-mode takes periodic or revision")
	}
}

func (c *configuration) unsigned(name string) uint64 {
	n, _ := strconv.ParseUint(c.values[name].text(), 10, 64) // parsed once already
	return n
}

func (c *configuration) validateFeatures() {
	prefix := ""
	if c.release.Minor == 5 {
		prefix = "experimental-"
	}
	if rate := c.values[prefix+"distributed-tracing-sampling-rate"].number(); c.values[prefix+"enable-distributed-tracing"].isTrue() && (rate < 0 || rate > 1000000) {
		c.refuse("distributed-tracing-sampling-rate must be from 0 to 1000000")
	}
	persist, checkpoint := c.values["experimental-enable-lease-checkpoint-persist"].isTrue(), c.values["experimental-enable-lease-checkpoint"].isTrue()
	if c.release.Minor > 5 {
		persist, checkpoint = c.gate("LeaseCheckpointPersist"), c.gate("LeaseCheckpoint")
	}
	if persist && !checkpoint {
		c.refuse("the feature LeaseCheckpointPersist wants LeaseCheckpoint")
	}
}

// gate returns whether a feature that is off by default is on.
func (c *configuration) gate(name string) bool {
	all := c.values["feature-gates"].items
	return slices.Contains(all, name+"=true") ||
		slices.Contains(all, "AllAlpha=true") && !slices.Contains(all, name+"=false")
}

func (c *configuration) validateTLSVersions() {
	known := map[string]uint16{"": 0, "TLS1.2": tls.VersionTLS12, "TLS1.3": tls.VersionTLS13}
	for _, name := range []string{"tls-min-version", "tls-max-version"} {
		if _, found := known[c.values[name].text()]; !found {
			c.refuse("%s takes TLS1.2 or TLS1.3", name)
		}
	}
	least, most := known[c.values["tls-min-version"].text()], known[c.values["tls-max-version"].text()]
	if most != 0 && least > most {
		c.refuse("tls-min-version is above tls-max-version")
	}
	if least == tls.VersionTLS13 && len(c.values["cipher-suites"].items) > 0 {
		c.refuse("cipher-suites are given where tls-min-version is TLS1.3, and those of TLS 1.3 cannot be chosen")
	}
}
