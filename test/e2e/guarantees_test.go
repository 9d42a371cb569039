package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const repository = "../.."

// testsOf returns the functions of a directory's test files.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	files := must(filepath.Glob(filepath.Join(repository, dir, "*_test.go")))(t)
	for _, file := range files {
		parsed := must(parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution))(t)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				found[f.Name.Name] = true
			}
		}
	}
	return found
}

// mention is a test in a text, with the directory that was named last before it.
var mention = regexp.MustCompile("`((?:cmd|etcdaudit|kmsplugin|test|vaultbackend)(?:/[a-z0-9.-]+)*)`|\\b((?:Test|Fuzz)[A-Z][A-Za-z0-9_]*)\\b")

func TestEveryTestThatTheDocumentsNameExists(t *testing.T) {
	t.Parallel()
	checked := 0
	documents := must(filepath.Glob(filepath.Join(repository, "docs", "*.md")))(t)
	for _, file := range documents {
		text := string(must(os.ReadFile(file))(t))
		dir := "test/e2e"
		tests := map[string]map[string]bool{}
		for _, m := range mention.FindAllStringSubmatch(text, -1) {
			if m[1] != "" {
				dir = m[1]
				continue
			}
			if tests[dir] == nil {
				tests[dir] = testsOf(t, dir)
			}
			checked++
			if !tests[dir][m[2]] {
				t.Errorf("%s names %s, which %s does not have", filepath.Base(file), m[2], dir)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d tests are named in %d documents: the search misses them", checked, len(documents))
	}
}

// sourceFile is a source file in a text.
var sourceFile = regexp.MustCompile("`((?:cmd|deploy|etcdaudit|internal|kmsplugin|proto|test|vaultbackend)/[A-Za-z0-9_./-]+\\.[a-z]+)`")

func TestEveryFileThatTheDocumentsNameExists(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, file := range append(must(filepath.Glob(filepath.Join(repository, "docs", "*.md")))(t), filepath.Join(repository, "README.md")) {
		for _, m := range sourceFile.FindAllStringSubmatch(string(must(os.ReadFile(file))(t)), -1) {
			checked++
			if _, err := os.Stat(filepath.Join(repository, m[1])); err != nil {
				t.Errorf("%s names %s: %v", filepath.Base(file), m[1], err)
			}
		}
	}
	if checked < 40 {
		t.Errorf("the documents name only %d files: the search misses them", checked)
	}
}

func TestEveryGuaranteeNamesItsTest(t *testing.T) {
	t.Parallel()
	text := string(must(fs.ReadFile(os.DirFS(repository), "docs/guarantees.md"))(t))
	rows := 0
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || strings.HasPrefix(cells[0], " **") || strings.HasPrefix(cells[0], " ---") || strings.HasPrefix(cells[0], " what ") {
			continue
		}
		rows++
		named := strings.Contains(cells[2], " Test") || strings.Contains(cells[2], " Fuzz")
		if absent := strings.HasPrefix(cells[1], " not here"); named == absent {
			t.Errorf("a row either names a test or says that this is not here: %s", line)
		}
	}
	if rows < 30 {
		t.Errorf("the table has %d rows: the search misses them", rows)
	}
}
