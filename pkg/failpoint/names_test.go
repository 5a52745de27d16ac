package failpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/failpoint"
)

// Every constant of type Name says in its comment what has happened, and is in
// Names, in the same order.
func TestNamesHoldsEveryConstant(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	shape := regexp.MustCompile(`^[a-z]+\.[a-z]+$`)
	var declared []failpoint.Name
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Name" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if !shape.MatchString(text) {
			t.Errorf("%q is not service.what", text)
		}
		if !strings.HasPrefix(spec.Doc.Text(), spec.Names[0].Name+": ") {
			t.Errorf("the comment of %s does not begin with its name", spec.Names[0].Name)
		}
		declared = append(declared, failpoint.Name(text))
		return true
	})
	if diff := cmp.Diff(declared, failpoint.Names); diff != "" {
		t.Errorf("Names (-declared +listed):\n%s", diff)
	}
}
