package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

type providerCommand struct {
	Check providerCheckCommand `cmd:"" help:"Hold a provider's folder to the contract."`
}

type providerCheckCommand struct {
	Update bool   `help:"Write the folder's golden files, under testdata, instead of comparing with them."`
	JSON   bool   `name:"json" help:"Print the result as JSON."`
	Dir    string `arg:"" help:"The provider's folder, such as pkg/provider/acme."`
}

// Help is shown by `verdict provider check --help`.
func (providerCheckCommand) Help() string {
	return `Runs the suite that every provider passes over one folder, and says for each check whether
it passed and what to do where it did not. It needs the Go toolchain, compiles the folder with
the suite, and writes nothing into the folder but golden files, with --update. The folder is
one of this repository, or of a Go workspace that uses the repository's modules pkg and
schemas. The exit status is 0 only if every check passed.

Examples:

  verdict provider check pkg/provider/acme

  verdict provider check --update pkg/provider/acme`
}

// Run checks the folder. The error is what kept it from being checked, or that it failed.
func (cmd *providerCheckCommand) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	checked, err := checkProvider(ctx, cmd.Dir, cmd.Update)
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = writeIndented(out, checked)
	} else {
		err = checked.write(out)
	}
	if err == nil && !checked.Passed {
		err = errors.New("the folder does not pass")
	}
	return err
}

// checkProvider runs all checks on a folder. An error means that they could not be run.
func checkProvider(ctx context.Context, dir string, update bool) (*checkedFolder, error) {
	f := &checkedFolder{Folder: dir}
	path, pkg, problem := openFolder(dir)
	f.add(folderCheck{
		Name: "folder", Says: "there is a Go package of the folder's name", Messages: problem,
		Todo: "Make the folder, with a Go package of its name: lower-case letters and digits, at most 16.",
	})
	if len(problem) > 0 {
		return f, nil
	}
	if !declaresProvider(pkg) {
		problem = []string{"no variable Provider is declared"}
	}
	f.add(folderCheck{
		Name: "provider", Says: "the package declares the provider", Messages: problem,
		Todo: "Declare var Provider = provider.Provider{…}; its fields are described in pkg/provider/provider.go.",
	})
	if len(problem) > 0 {
		return f, nil
	}
	s := suiteRun{folder: path, pkg: filepath.Base(path), update: update}
	return f, s.run(ctx, f)
}

// openFolder parses the Go files of a folder, tests left out. The problem, empty where there is
// none, is for the folder's author.
func openFolder(dir string) (path string, files []*ast.File, problem []string) {
	path, err := filepath.Abs(dir)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	info, statErr := os.Stat(path)
	switch {
	case err != nil, statErr != nil:
		return "", nil, []string{"there is no such folder"}
	case !info.IsDir():
		return "", nil, []string{"it is a file, not a folder"}
	}
	sources, err := filepath.Glob(filepath.Join(path, "*.go"))
	if err != nil {
		return "", nil, []string{"its name cannot be searched in"}
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(token.NewFileSet(), source, nil, goparser.SkipObjectResolution)
		if err != nil {
			return "", nil, []string{err.Error()}
		}
		if name := file.Name.Name; name != filepath.Base(path) {
			return "", nil, []string{fmt.Sprintf("%s is of package %s, not %s", filepath.Base(source), name, filepath.Base(path))}
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return "", nil, []string{"there are no Go files"}
	}
	return path, files, nil
}

// declaresProvider reports whether one of the files declares a variable of the name Provider.
func declaresProvider(files []*ast.File) bool {
	return slices.ContainsFunc(files, func(file *ast.File) bool {
		return slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
			declaration, ok := d.(*ast.GenDecl)
			return ok && declaration.Tok == token.VAR && slices.ContainsFunc(declaration.Specs, func(s ast.Spec) bool {
				spec, ok := s.(*ast.ValueSpec)
				return ok && slices.ContainsFunc(spec.Names, func(name *ast.Ident) bool { return name.Name == "Provider" })
			})
		})
	})
}
