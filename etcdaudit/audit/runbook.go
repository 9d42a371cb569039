package audit

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/runbook"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// steps says for each cluster whose files were read what clears them. Copies count for the
// cluster where there is only one: nothing in a copy says which cluster it is of.
func steps(stores []facts.Store) (all []*auditv1.Step) {
	var names []string
	clusters := map[string]*runbook.Found{}
	var copies []string
	files := false
	for _, s := range stores {
		files = files || s.Scope.Layer != record.Live
		n := plaintextIn(s.Inventory)
		if s.Scope.Copy != "" && !s.Scope.InUse {
			for _, from := range s.Scope.Sources {
				if n+s.Remains.Fragments > 0 && !slices.Contains(copies, from.Name) {
					copies = append(copies, from.Name)
				}
			}
			continue
		}
		of := s.Scope.Store()
		if clusters[of] == nil {
			names, clusters[of] = append(names, of), &runbook.Found{}
		}
		add(clusters[of], s, n)
	}
	if !files {
		return nil // of live values alone the checks say what to do
	}
	if len(names) == 0 {
		names, clusters[""] = []string{""}, &runbook.Found{}
	}
	clusters[names[0]].Copies = copies
	for _, of := range names {
		for _, step := range runbook.Steps(*clusters[of]) {
			all = append(all, &auditv1.Step{
				Store: of, Title: step.Title, Why: term.Printable(step.Why), Cost: term.Printable(step.Cost), Commands: allPrintable(step.Commands),
			})
		}
	}
	return all
}

func add(f *runbook.Found, s facts.Store, plaintext int64) {
	switch s.Scope.Layer {
	case record.Live:
		f.Plaintext.Live += plaintext
		f.Resources = resources(f.Resources, s.Inventory)
	case record.Undetermined:
		f.Plaintext.Undetermined += plaintext + s.Remains.Fragments
		f.Resources = resources(f.Resources, s.Inventory)
	case record.History:
		f.Plaintext.History += plaintext
		f.HistoryBytes += s.Scope.Bytes
	case record.WAL:
		f.Plaintext.Log += plaintext
		f.Log = s.Scope.Log
		f.WAL = filepath.ToSlash(filepath.Dir(s.Scope.Sources[0].Name))
	case record.FreePages:
		f.Plaintext.Free += plaintext
		f.Plaintext.Pieces += s.Remains.Fragments
		f.FreeBytes += s.Scope.Bytes
	}
	if len(s.Scope.Cluster.Members) > 0 {
		f.Cluster = s.Scope.Cluster
	}
	for _, from := range s.Scope.Sources {
		if data, ok := strings.CutSuffix(filepath.ToSlash(from.Name), "/member/snap/db"); ok {
			f.Data, f.DatabaseBytes = data, from.Bytes
		}
	}
}

// resources adds those with plaintext that should not be.
func resources(all []string, inv *inventory.Inventory) []string {
	for _, r := range inv.Resources() {
		if name := r.Resource.String(); !r.Mixed && readable(inv, r) > 0 && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// plaintextIn is how many values are plaintext that should not be.
func plaintextIn(inv *inventory.Inventory) (n int64) {
	for _, r := range inv.Resources() {
		n += readable(inv, r)
	}
	return n
}

// readable is how many values of a resource are plaintext that should not be.
func readable(inv *inventory.Inventory, r *inventory.Resource) (n int64) {
	for _, c := range r.Groups() {
		if r == inv.Secrets() && c.Format.Plaintext() || c.Drift == drift.Plaintext || c.Drift == drift.UnreadablePlaintext {
			n += c.Values
		}
	}
	return n
}
