//go:build fifth

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The provider that the document adds.
const (
	addedName   = "acme"
	addedFolder = "pkg/provider/" + addedName
	addedSecret = "ac-58e01d7b94f2c6a3"
	addedCheck  = "chk-3141"
)

// A made-up provider is added to a copy of the repository, step by step as the document says.
// Then it goes from end to end, and nothing but its folder and generated files differs.
func TestAddingAProvider(t *testing.T) {
	root := copyRepository(t)
	before := contents(t, root)
	for _, block := range blocks(t, "../../docs/adding-a-provider.md") {
		if block.file == "" {
			block.run(t, root)
		} else {
			must(t, writeFile(filepath.Join(root, addedFolder, block.file), block.text))
		}
	}
	bin := filepath.Join(root, "bin")
	block{text: "$ go build -trimpath -buildvcs=false -o " + bin + "/ ./services/verdict\n"}.run(t, root)

	var changed []string
	for path, sum := range contents(t, root) {
		if before[path] != sum && !strings.HasPrefix(path, addedFolder+"/") && !strings.HasPrefix(path, "bin/") {
			changed = append(changed, path)
		}
	}
	slices.Sort(changed)
	if diff := cmp.Diff([]string{"docs/machines.md", "pkg/provider/all/all.go"}, changed); diff != "" {
		t.Errorf("changed beside the folder (-want +got):\n%s", diff)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	endToEnd(t, filepath.Join(root, addedFolder, "samples", "check_finished.passed.json"))
}

// endToEnd runs the program that knows the added provider.
func endToEnd(t *testing.T, sample string) {
	in := startInstallation(t, allInOne)
	in.settings["VERDICT_SECRET_"+strings.ToUpper(addedName)] = addedSecret
	must(t, in.start())
	verdict := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("verdict", args...)
		cmd.Env = in.environment(in.form.roles[0])
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("verdict %s: %v\n%s%s", strings.Join(args, " "), err, out, in.tails())
		}
		return string(out)
	}
	if out := verdict("send", "--provider", addedName, "--event", "check.finished", sample); !strings.Contains(out, `"status":"accepted"`) {
		t.Errorf("the webhook was answered with %s", out)
	}
	status, _, err := in.post(webhook{provider: addedName, header: map[string]string{"X-Acme-Signature": "00"}, body: []byte("{}")})
	if err != nil || status != 401 {
		t.Errorf("a bad signature was answered with %d, %v", status, err)
	}
	cmd := exec.Command("verdict", "verify", "--provider", addedName, "--body", sample)
	cmd.Env = in.environment(in.form.roles[0])
	if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("the header X-Acme-Signature is missing")) {
		t.Errorf("verify says %v\n%s", err, out)
	}
	for path, condition := range map[string]string{
		"":        "data.status=approved",
		"/claims": "data.family_name=Testova-Quill",
		"/events": "data.0.event=approved",
	} {
		conditions, err := parseConditions([]string{condition})
		must(t, err)
		must(t, in.within("show the verdict", func() error {
			answer, err := in.api("/v1/verifications/" + addedName + "/check/" + addedCheck + path)
			if err != nil {
				return err
			}
			return check(answer, conditions)
		}))
	}
	for stream, subject := range map[string]string{
		"KYC_WEBHOOKS": "kyc.webhook.acme.check_finished", "KYC_VERIFICATIONS": "kyc.v1.acme.check.approved",
	} {
		messages, err := in.messages(stream)
		must(t, err)
		if len(messages) != 1 || messages[0].Subject != subject {
			t.Errorf("%s holds %v", stream, messages)
		}
	}
	_, metrics, err := in.get("http://" + in.settings[metricsOf(in.form.roles[0])] + "/metrics")
	if err != nil || !bytes.Contains(metrics, []byte(`provider="`+addedName+`"`)) {
		t.Errorf("the metrics do not name the provider: %v", err)
	}
	settings := verdict("config")
	for _, name := range []string{"VERDICT_SECRET_ACME", "VERDICT_URL_TOKEN_ACME", "VERDICT_RETENTION_ACME"} {
		if !strings.Contains(settings, name) {
			t.Errorf("there is no setting %s", name)
		}
	}
	verdict("simulate", "--provider", addedName, "--count", "20", "--duplicates", "0.3", "--shuffle", "--bad-signatures", "0.2", "--verify")
	must(t, in.account())
	must(t, in.stop())
}

// copyRepository copies what a build needs to a folder of its own.
func copyRepository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"go.work", "go.work.sum"} {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		must(t, err)
		must(t, writeFile(filepath.Join(root, name), string(text)))
	}
	for _, name := range []string{"schemas", "pkg", "services", "examples", "docs"} {
		must(t, os.CopyFS(filepath.Join(root, name), os.DirFS(filepath.Join("..", "..", name))))
	}
	return root
}

// contents are the hashes of all files, by their paths.
func contents(t *testing.T, root string) map[string][sha256.Size]byte {
	t.Helper()
	sums := map[string][sha256.Size]byte{}
	must(t, fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		sums[path] = sha256.Sum256(text)
		return err
	}))
	return sums
}

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// block is a part of the document that is not prose: a file to write, or commands and what
// they must say.
type block struct {
	file, text string
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]+)(?: ([^\n]+))?\n(.*?)^```$")

func blocks(t *testing.T, document string) []block {
	t.Helper()
	text, err := os.ReadFile(document)
	must(t, err)
	var list []block
	for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
		if (m[1] == "console") == (m[2] != "") {
			t.Fatalf("a block of %s is neither a console nor a named file", m[1])
		}
		list = append(list, block{m[2], m[3]})
	}
	if len(list) == 0 {
		t.Fatal("the document has no blocks")
	}
	return list
}

// run runs the commands of a block. Each must say the lines behind it, in this order; … stands
// for anything. A command that must say FAIL must fail, and no other may.
func (b block) run(t *testing.T, root string) {
	t.Helper()
	for _, part := range strings.Split("\n"+b.text, "\n$ ")[1:] {
		line, want, _ := strings.Cut(part, "\n")
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if fails := strings.Contains(want, "FAIL"); (err != nil) != fails {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		var pattern strings.Builder
		for _, said := range strings.Split(strings.TrimSpace(want), "\n") {
			fmt.Fprintf(&pattern, `(?s:.*)^\s*%s$`, strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(said)), "…", ".*"))
		}
		if want != "" && !regexp.MustCompile("(?m)"+pattern.String()).Match(out) {
			t.Fatalf("%s says\n%s\nwant\n%s", line, out, want)
		}
	}
}
