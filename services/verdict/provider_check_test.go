package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider/all"
)

func providerCheck(t *testing.T, status int, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(append([]string{"provider", "check"}, args...), all.Providers(), &stdout, &stderr); got != status {
		t.Fatalf("verdict provider check %s: status %d, want %d\n%s%s", strings.Join(args, " "), got, status, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// What is wrong before anything can be compiled is said without the toolchain.
func TestProviderCheckFolder(t *testing.T) {
	t.Setenv("PATH", "")
	folder := func(files map[string]string) string {
		dir := filepath.Join(t.TempDir(), "acme")
		must(t, os.Mkdir(dir, 0o755))
		for name, text := range files {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		return dir
	}
	for _, c := range []struct{ name, dir, want string }{
		{"missing", filepath.Join(t.TempDir(), "acme"), "there is no such folder"},
		{"file", write(t, "package acme"), "it is a file"},
		{"empty", folder(nil), "there are no Go files"},
		{"tests alone", folder(map[string]string{"a_test.go": "package acme"}), "there are no Go files"},
		{"another package", folder(map[string]string{"a.go": "package other"}), "a.go is of package other, not acme"},
		{"not Go", folder(map[string]string{"a.go": "package acme\nfunc {"}), "a.go:2"},
		{"no provider", folder(map[string]string{"a.go": "package acme\nvar provider, other = 1, 2\nfunc Provider() {}"}), "no variable Provider is declared"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs := providerCheck(t, 1, c.dir)
			if !strings.Contains(out, c.want) || !strings.Contains(out, "      > ") || !strings.Contains(errs, "does not pass") {
				t.Errorf("%s%s does not say %q and what to do", out, errs, c.want)
			}
		})
	}
	declared := folder(map[string]string{"a.go": "package acme\nvar Provider = 1"})
	if _, errs := providerCheck(t, 1, declared); !strings.Contains(errs, "go must be in PATH") {
		t.Errorf("without the toolchain: %s", errs)
	}
}

// A folder of no module cannot be compiled with the suite.
func TestProviderCheckOutside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte("package acme\n\nvar Provider = 1\n"), 0o600))
	out, _ := providerCheck(t, 1, "--json", dir)
	var f checkedFolder
	must(t, json.Unmarshal([]byte(out), &f))
	last := f.Checks[len(f.Checks)-1]
	if f.Passed || last.Name != "build" || last.Result != checkFailed || !strings.Contains(strings.Join(last.Messages, "\n"), "go.mod") || !strings.Contains(last.Todo, "workspace") {
		t.Errorf("checked as %+v", f)
	}
}

func TestSuiteOutput(t *testing.T) {
	const begin = `{"Action":"start"}
{"Action":"attr","Test":"T","Key":"check/one","Value":"one holds"}
{"Action":"attr","Test":"T","Key":"check/two","Value":"two holds"}
{"Action":"attr","Test":"T","Key":"check/three","Value":"three holds"}
{"Action":"run","Test":"T/one"}
{"Action":"output","Test":"T/one","Output":"=== RUN   T/one\n"}
{"Action":"output","Test":"T/one","Output":"    suite.go:7: of no interest\n"}
{"Action":"pass","Test":"T/one"}
{"Action":"run","Test":"T/two"}
{"Action":"run","Test":"T/two/sample.a"}
{"Action":"output","Test":"T/two/sample.a","Output":"        suite.go:9: it is wrong\n"}
{"Action":"output","Test":"T/two/sample.a","Output":"            -want\n"}
`
	one := folderCheck{Name: "one", Says: "one holds", Result: checkPassed}
	three := folderCheck{Name: "three", Says: "three holds", Result: checkUnreached}
	built := folderCheck{Name: "build", Result: checkPassed}
	messages := []string{"sample.a: it is wrong", "            -want"}
	for _, c := range []struct {
		name, out, errs string
		want            []folderCheck
	}{
		{
			"a check fails", begin + `{"Action":"fail","Test":"T/two/sample.a"}
{"Action":"attr","Test":"T/two","Key":"todo","Value":"do it"}
{"Action":"output","Test":"T/two","Output":"--- FAIL: T/two (0.00s)\n"}
{"Action":"fail","Test":"T/two"}
`, "",
			[]folderCheck{built, one, {Name: "two", Says: "two holds", Result: checkFailed, Messages: messages, Todo: "do it"}, three},
		},
		{
			"the process ends", begin, "",
			[]folderCheck{built, one, {Name: "two", Says: "two holds", Result: checkFailed, Messages: append(messages, "the process ended here")}, three},
		},
		{
			"it does not compile", `{"Action":"build-output","Output":"# acme\n"}
{"Action":"build-output","Output":"./a.go:1:1: undefined: x\n"}
{"Action":"output","Output":"FAIL\tacme [build failed]\n"}
`, "go: warning\n",
			[]folderCheck{{Name: "build", Result: checkFailed, Messages: []string{"./a.go:1:1: undefined: x", "go: warning", "the suite did not run"}}},
		},
		{
			"what is no line of a test", "go: nothing\n", "",
			[]folderCheck{{Name: "build", Result: checkFailed, Messages: []string{"go: nothing", "the suite did not run"}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &checkedFolder{}
			newSuiteOutput(f).read(bytes.NewBufferString(c.out), bytes.NewBufferString(c.errs))
			for i := range f.Checks {
				if f.Checks[i].Name == "build" {
					f.Checks[i].Says, f.Checks[i].Todo = "", ""
				}
			}
			if diff := cmp.Diff(c.want, f.Checks); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
			if f.Passed {
				t.Error("the folder passes")
			}
		})
	}
}

// A check that has much to say is cut for people.
func TestCheckedFolderReport(t *testing.T) {
	f := &checkedFolder{}
	f.add(folderCheck{Name: "one", Says: "one holds", Messages: strings.Split(strings.Repeat("line ", maxMessages+2), " "), Todo: "do it"})
	f.addEnded(folderCheck{Name: "two", Says: "two holds", Result: checkUnreached})
	var out bytes.Buffer
	must(t, f.write(&out))
	for _, want := range []string{"FAIL  one", "and 3 lines more", "> do it", "-     two", "0 of 2 checks passed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
}
