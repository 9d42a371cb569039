package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/offline"
)

// input is a file that is read, or a directory. Nothing may be written in its place, and where it
// is searched, nothing into it: that would replace evidence, or become some.
type input struct {
	path, as string
	searched bool
}

// named are the arguments of a call.
func named(paths []string, searched bool) (all []input) {
	for _, path := range paths {
		all = append(all, input{path, "an argument", searched})
	}
	return all
}

// inputs are the files and directories that settings name. config is the file that has them;
// empty for none.
func (s settings) inputs(config string) (all []input) {
	c := s.Connection
	all = []input{
		{config, "--config", false}, {c.CACert, "cacert", false}, {c.Cert, "cert", false}, {c.Key, "key", false},
		{s.Scan.EncryptionProviderConfig, "encryption-provider-config", false}, {s.Paths.WALDir, "wal-dir", true},
		{s.Host.FingerprintKey, "fingerprint-key", false},
		{s.API.Kubeconfig, "kubeconfig", false}, {s.Output.Accept, "accept", false},
		{s.KeyUsage.Backups, "backups", false}, {s.Vault.CAFile, "vault-ca-file", false}, {s.Vault.TokenFile, "vault-token-file", false},
	}
	if s.Node.Root != defaults().Node.Root {
		all = append(all, input{s.Node.Root, "root", true})
	}
	for _, dir := range s.Host.SnapshotDirs {
		all = append(all, input{dir, "snapshot-dir", true})
	}
	for _, file := range s.Metrics.APIServers {
		all = append(all, input{file, "apiserver-metrics", false})
	}
	probes, _ := s.TLS.probeCerts() // what is wrong with it is said where it is used
	for _, p := range probes {
		all = append(all, input{p.cert, "probe-cert", false}, input{p.key, "probe-cert", false})
	}
	return all
}

// onNode are the files of a node that are known once it was looked at.
func (a *auditRun) onNode(h *facts.Host) (all []input) {
	for _, name := range h.Read {
		if filepath.IsAbs(name) {
			all = append(all, input{a.path(name), "of this node", false})
		}
	}
	dirs := hostconfig.Copies(h)
	for _, e := range h.Etcds {
		d := hostconfig.DataOf(e)
		dirs = append(dirs, d.Dir, d.WALDir)
	}
	for _, dir := range dirs {
		if dir != "" {
			all = append(all, input{a.path(dir), "data of this node", true})
		}
	}
	return all
}

// found are the files that a path has led to, links among them.
func found(set *offline.Set) (all []input) {
	for _, source := range set.Sources {
		for _, from := range source.Scopes()[0].Sources {
			all = append(all, input{from.Name, "found there", false})
		}
	}
	return all
}

// apart returns an error for a file to be written that is read, by whatever name, or that would lie
// in what is searched.
func apart(setting, file string, inputs []input) error {
	at, err := filepath.Abs(file)
	if err != nil {
		return cli.Usage(fmt.Errorf("%s: %w", setting, err))
	}
	own, _ := os.Stat(at) // nil for a new file
	// Of a directory that is not there it is said elsewhere that nothing can be written into it.
	dir, _ := filepath.EvalSymlinks(filepath.Dir(at))
	for _, in := range inputs {
		info, err := os.Stat(in.path)
		switch {
		case err != nil || in.path == "": // as above
		case own != nil && os.SameFile(own, info):
			return cli.Usage(fmt.Errorf("%s: %s is read in this call (%s: %s), and would be overwritten: name another file", setting, file, in.as, in.path))
		case in.searched && info.IsDir() && dir != "" && within(dir, info):
			return cli.Usage(fmt.Errorf("%s: %s lies in %s, which is read in this call (%s), and where nothing may be changed: name a file elsewhere", setting, file, in.path, in.as))
		}
	}
	return nil
}

// within tells whether a directory, an absolute path without links, is another one or below it.
func within(dir string, other os.FileInfo) bool {
	for {
		if info, err := os.Stat(dir); err == nil && os.SameFile(info, other) {
			return true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}

// refuseArguments refuses an argument without a name, which would be the current directory, or
// nothing, and one that is there twice, by whatever names.
func refuseArguments(files []string) error {
	seen := make([]os.FileInfo, len(files))
	for i, file := range files {
		if strings.TrimSpace(file) == "" {
			return cli.Usage(fmt.Errorf("the name of a file to read is empty: leave it out, or name one (is a variable of the shell not set?)"))
		}
		info, err := os.Stat(file)
		if err != nil {
			continue // it is said where it is read
		}
		for j, other := range seen[:i] {
			if other != nil && os.SameFile(other, info) {
				return cli.Usage(fmt.Errorf("%s is named twice%s: name it once", file, also(files[j], file)))
			}
		}
		seen[i] = info
	}
	return nil
}

// also names the other one of two names that differ.
func also(other, name string) string {
	if other == name {
		return ""
	}
	return ", as " + other + " as well"
}
