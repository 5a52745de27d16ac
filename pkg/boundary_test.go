package pkg_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/verdict-stream/verdict/pkg/"

// The families of packages that boundaries are drawn around; a prefix stands for the package
// and all below it.
var (
	nats  = []string{"github.com/nats-io", "github.com/ThreeDotsLabs/watermill"}
	sql   = []string{"database/sql", "github.com/jackc", "modernc.org", "github.com/pressly/goose", "github.com/XSAM/otelsql"}
	http  = []string{"net/http"}
	cloud = []string{"github.com/cloudevents"}
	// server is what nobody who only reads the stream should have to build.
	server = []string{"github.com/nats-io/nats-server", "github.com/ThreeDotsLabs/watermill", "go.opentelemetry.io"}
)

// TestBoundaries holds what each package may reach, over any number of imports.
func TestBoundaries(t *testing.T) {
	packages := list(t)
	for _, b := range []struct {
		folder    string // with all below it
		forbidden [][]string
	}{
		{"event", [][]string{nats, sql, http}},
		{"verification", [][]string{nats, sql, http, cloud, {module + "event", module + "provider"}}},
		{"provider", [][]string{nats, sql, cloud, {module + "event", module + "bus", module + "store"}}},
		{"batch", [][]string{nats, sql, http, cloud}},
		{"spool", [][]string{nats, sql, http, cloud, {module + "event", module + "bus"}}},
		{"capacity", [][]string{nats, cloud, {module + "bus", module + "store"}}},
		{"letters", [][]string{{"modernc.org", "github.com/jackc"}, {module + "store", module + "provider", module + "seal"}}},
		{"held", [][]string{{"modernc.org", "github.com/jackc"}, {module + "store"}}},
		{"runs", [][]string{{"modernc.org", "github.com/jackc"}, {module + "store", module + "provider"}}},
		{"relay", [][]string{{"modernc.org", "github.com/jackc"}, {module + "store", module + "spool", module + "provider"}}},
		{"claims", [][]string{nats, sql, cloud}},
		{"seal", [][]string{nats, sql, http, cloud, {module + "event", module + "verification", module + "provider"}}},
		{"failpoint", [][]string{nats, sql, http, cloud}},
		{"madeup", [][]string{nats, sql, http, cloud, {module + "verification", module + "provider"}}},
		{"telemetry", [][]string{nats, {module + "event", module + "verification", module + "provider"}}},
		{"bus", [][]string{{"modernc.org", "github.com/jackc"}, {module + "store", module + "provider"}}},
		{"replay", [][]string{{"modernc.org", "github.com/jackc"}, {module + "store", module + "provider"}}},
		{"store", [][]string{nats, {module + "bus", module + "provider/"}}},
		{"consume", [][]string{server, sql, {module + "bus", module + "store", module + "provider", module + "telemetry"}}},
	} {
		found := false
		for _, p := range packages {
			if !within(p.ImportPath, module+b.folder) || isTest(p.ImportPath) {
				continue
			}
			found = true
			for _, dep := range p.Deps {
				if slices.ContainsFunc(slices.Concat(b.forbidden...), func(prefix string) bool { return within(dep, prefix) }) {
					t.Errorf("%s must not know %s", p.ImportPath, dep)
				}
			}
		}
		if !found {
			t.Errorf("there is no package %s", b.folder)
		}
	}
}

// TestOnlyOnePackageKnows holds what only one package may import.
func TestOnlyOnePackageKnows(t *testing.T) {
	for _, p := range list(t) {
		for _, only := range []struct {
			folder string
			knows  []string
		}{{"bus", nats}, {"store", sql}, {"event", cloud}} {
			// What teams build into their own programs has the broker's client, and no more: see TestBoundaries.
			client := within(p.ImportPath, module+"consume") && only.folder == "bus"
			if within(p.ImportPath, module+only.folder) || isTest(p.ImportPath) || client {
				continue
			}
			for _, imported := range p.Imports {
				if slices.ContainsFunc(only.knows, func(prefix string) bool { return within(imported, prefix) }) {
					t.Errorf("%s imports %s, which only %s may", p.ImportPath, imported, only.folder)
				}
			}
		}
	}
}

// A folder of one provider knows no other.
func TestProvidersDoNotKnowEachOther(t *testing.T) {
	const folders = module + "provider/"
	for _, p := range list(t) {
		name, ok := strings.CutPrefix(p.ImportPath, folders)
		if !ok || name == "all" || isTest(p.ImportPath) {
			continue
		}
		for _, dep := range p.Deps {
			if within(dep, module+"provider") && dep != module+"provider" && !within(dep, folders+name) {
				t.Errorf("%s must not know %s", p.ImportPath, dep)
			}
		}
	}
}

// Providers and their folders know the names of HTTP's statuses, and nothing else of it.
func TestProvidersKnowNoServer(t *testing.T) {
	for _, p := range list(t) {
		if !within(p.ImportPath, module+"provider") || isTest(p.ImportPath) || !slices.Contains(p.Imports, "net/http") {
			continue
		}
		for _, file := range sources(t, strings.TrimPrefix(p.ImportPath, module)) {
			ast.Inspect(file, func(n ast.Node) bool {
				selector, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if of, ok := selector.X.(*ast.Ident); ok && of.Name == "http" && !strings.HasPrefix(selector.Sel.Name, "Status") {
					t.Errorf("%s must not know http.%s", p.ImportPath, selector.Sel.Name)
				}
				return true
			})
		}
	}
}

// pkg is what `go list` says of a package, tests left out.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	// The go command keeps a result for as long as the files that the test itself has looked
	// at stay the same: it must look at all that the list depends on.
	if err := filepath.WalkDir(".", func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var packages []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// within reports whether a package is the one of the prefix or below it. A prefix that ends in
// a slash is all below it alone.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
}

// isTest reports whether a package exists for tests alone.
func isTest(path string) bool {
	return strings.HasSuffix(path, "test") || strings.Contains(path, "/internal/gen")
}
