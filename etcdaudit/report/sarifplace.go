package report

import (
	"net/url"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

const (
	// nodeRoot stands for the root of the node's file system, so that the paths of two nodes
	// with the same files are the same.
	nodeRoot = "NODE"
	// reportItself is what a result is placed in where no file of a node is concerned. Its
	// name is always the same: hosts take a result at another place for another one.
	reportItself = "etcdaudit.sarif"
)

// places finds the file that a result belongs to. Hosts refuse a whole SARIF file for one
// result that has none.
type places struct {
	// files are those that programs were read from, by the program's name and by each
	// address that it listens at.
	files map[string]string
}

func placesOf(r *auditv1.Report) places {
	p := places{files: map[string]string{}}
	for _, c := range r.Configurations {
		if !strings.HasPrefix(c.Source, "/") {
			continue // a process, which no file starts
		}
		p.files[c.Name] = c.Source
		for _, s := range c.Settings {
			if !strings.HasSuffix(s.Name, "-urls") {
				continue
			}
			for u := range strings.SplitSeq(s.Value, ",") {
				if _, taken := p.files[u]; !taken {
					p.files[u] = c.Source
				}
			}
		}
	}
	return p
}

// file is the target itself, or what stands behind its colon, where that is a path; else the
// file that the target was configured by; else the first file of the evidence; else none.
func (p places) file(r *auditv1.Result) string {
	before, after, _ := strings.Cut(r.Target, ": ")
	for _, name := range []string{r.Target, after, p.files[r.Target], p.files[before]} {
		if strings.HasPrefix(name, "/") {
			return name
		}
	}
	for _, e := range r.Evidence {
		if strings.HasPrefix(e.Source, "/") {
			return e.Source
		}
	}
	return ""
}

func (p places) location(r *auditv1.Result) sarifLocation {
	l := sarifLocation{Physical: physical(p.file(r))}
	add := func(name, kind string) {
		full := name
		if r.Node != "" {
			full = r.Node + "/" + name
		}
		l.Logical = append(l.Logical, sarifLogical{Name: name, FullName: full, Kind: kind})
	}
	if r.Target != "" {
		add(r.Target, "target")
	}
	for _, o := range r.Objects[:min(len(r.Objects), sarifObjects)] {
		add(nameOf(o), "object")
	}
	return l
}

// physical is the first line of a file of the node, or of the report.
func physical(file string) sarifPhysical {
	at := sarifArtifact{URI: reportItself}
	if file != "" {
		at = sarifArtifact{URI: (&url.URL{Path: strings.TrimLeft(file, "/")}).String(), BaseID: nodeRoot}
	}
	if at.URI == "" { // the root itself
		at.URI = "./"
	}
	return sarifPhysical{Artifact: at, Region: sarifRegion{StartLine: 1}}
}
