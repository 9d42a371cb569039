package report

import (
	"net/url"
	"regexp"
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
	// address that it listens at. Under no node stands the first of all nodes, for results
	// that name none.
	files map[onNode]string
	nodes map[string]bool
}

// onNode is a name on one node: each node has an etcd of the same name, and a loopback address.
type onNode struct{ node, name string }

func placesOf(r *auditv1.Report) places {
	p := places{files: map[onNode]string{}, nodes: map[string]bool{}}
	for _, s := range r.Scopes {
		p.nodes[s.Node] = true
	}
	for _, c := range r.Configurations {
		p.nodes[c.Node] = true
		file := fileIn(c.Source)
		if file == "" {
			continue // a process, which no file starts
		}
		names := []string{c.Name}
		for _, s := range c.Settings {
			if strings.HasSuffix(s.Name, "-urls") {
				names = append(names, strings.Split(s.Value, ",")...)
			}
		}
		for _, name := range names {
			for _, at := range []onNode{{c.Node, name}, {"", name}} {
				if p.files[at] == "" {
					p.files[at] = file
				}
			}
		}
	}
	return p
}

// file is the target itself, what stands before its colon or behind it, where that is a path;
// else the file that the target was configured by; else the first file of the evidence; else
// none.
func (p places) file(r *auditv1.Result) string {
	before, after, _ := strings.Cut(r.Target, ": ")
	for _, name := range []string{before, after, p.files[onNode{r.Node, r.Target}], p.files[onNode{r.Node, before}]} {
		if file := fileIn(name); file != "" {
			return file
		}
	}
	for _, e := range r.Evidence {
		source := e.Source
		// Evidence from several nodes names the node first. A program does not stand there:
		// what follows its name, such as /metrics, is no file.
		if node, rest, ok := strings.Cut(source, ", "); ok && p.nodes[node] {
			source = rest
		}
		if file := fileIn(source); file != "" {
			return file
		}
	}
	return ""
}

// inFile is a place in a file, as evidence names it.
var inFile = regexp.MustCompile(`, (line|rule) \d+$`)

// fileIn is the first file that a text names: "/a", "/a, line 3" or "/a + /b". It is empty where
// the text does not begin with a path.
func fileIn(text string) string {
	if !strings.HasPrefix(text, "/") {
		return ""
	}
	file, _, _ := strings.Cut(text, " + ")
	return inFile.ReplaceAllString(file, "")
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
