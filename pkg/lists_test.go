package pkg_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// The schemas are held to lists of constants, and the lists to the source: a constant that a
// list lacks would never reach a schema.
func TestListsHoldEveryConstant(t *testing.T) {
	for _, list := range []struct {
		folder string
		belong func(name, typ string) bool
		want   []string
	}{
		{"verification", ofType("Status"), texts(verification.Statuses)},
		{"verification", ofType("By"), enums[reflect.TypeFor[verification.By]()]},
		{"verification", ofType("Scope"), enums[reflect.TypeFor[verification.Scope]()]},
		{"verification", ofType("Category"), texts(verification.Categories)},
		{"verification", named("Anomaly"), verification.Anomalies},
		{"event", ofType("OutcomeName"), texts(event.Outcomes)},
		{"event", ofType("Cause"), texts(event.Causes)},
	} {
		constants := constantsOf(t, list.folder, list.belong)
		if len(constants) == 0 {
			t.Errorf("package %s has no such constants", list.folder)
		}
		if diff := cmp.Diff(sorted(constants), sorted(list.want)); diff != "" {
			t.Errorf("constants of package %s and their list differ (-constants +list):\n%s", list.folder, diff)
		}
	}
}

func ofType(want string) func(string, string) bool {
	return func(_, typ string) bool { return typ == want }
}

func named(prefix string) func(string, string) bool {
	return func(name, _ string) bool { return strings.HasPrefix(name, prefix) }
}

// constantsOf returns the values of the string constants of a package, tests left out.
func constantsOf(t *testing.T, folder string, belong func(name, typ string) bool) []string {
	t.Helper()
	var values []string
	for _, source := range sources(t, folder) {
		ast.Inspect(source, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			typ, _ := spec.Type.(*ast.Ident)
			for i, name := range spec.Names {
				if i >= len(spec.Values) || !belong(name.Name, nameOf(typ)) {
					continue
				}
				if literal, ok := spec.Values[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
					value, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, value)
				}
			}
			return true
		})
	}
	return values
}

// sources returns the files of a package, tests left out.
func sources(t *testing.T, folder string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func nameOf(typ *ast.Ident) string {
	if typ == nil {
		return ""
	}
	return typ.Name
}
