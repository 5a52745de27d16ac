// Package services_test holds the services to what they may know.
package services_test

import (
	"bytes"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module    = "github.com/verdict-stream/verdict/services/"
	providers = "github.com/verdict-stream/verdict/pkg/provider/"
)

// foreign are what services use through our own packages only.
var foreign = []string{
	"github.com/nats-io", "github.com/ThreeDotsLabs/watermill", // pkg/bus
	"database/sql", "github.com/jackc", "modernc.org", "github.com/pressly/goose", "github.com/XSAM/otelsql", // pkg/store
	"github.com/cloudevents", // pkg/event
}

func TestBoundaries(t *testing.T) {
	services := imports(t)
	for _, name := range []string{"receiver", "lifecycle", "projector", "api", "verdict"} {
		if services[module+name] == nil {
			t.Errorf("there is no service %s", name)
		}
	}
	for path, imported := range services {
		for _, dep := range imported {
			switch {
			case within(path, module+"bench/baseline") && within(dep, "github.com/nats-io"):
				// What Verdict is compared with must owe nothing to its own packages.
			case slices.ContainsFunc(foreign, func(prefix string) bool { return within(dep, prefix) }):
				t.Errorf("%s must not know %s", path, dep)
			case strings.HasPrefix(dep, providers) && dep != providers+"all":
				t.Errorf("%s must not know one provider: %s", path, dep)
			case strings.HasPrefix(dep, module) && !within(path, module+"verdict") && !within(path, module+"crash") && !within(dep, path):
				t.Errorf("%s must not know another service: %s", path, dep)
			}
		}
	}
}

// imports returns what each package of the module imports, tests left out.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	// The go command keeps a result for as long as the files that the test itself has looked
	// at stay the same: it must look at all that the list depends on.
	if err := filepath.WalkDir(".", func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	packages := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		packages[fields[0]] = fields[1:]
	}
	return packages
}

// within reports whether a package is the one of the prefix or below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}
