package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// command runs one command line with the test providers and returns its
// output and errors.
func command(t *testing.T, status int, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(args, folders(testProviders), &stdout, &stderr); got != status {
		t.Fatalf("verdict %s: status %d, want %d\n%s", strings.Join(args, " "), got, status, &stderr)
	}
	return stdout.String(), stderr.String()
}

// folders are the providers that would be known by the given facts.
func folders(infos []ProviderInfo) []provider.Provider {
	list := make([]provider.Provider, len(infos))
	for i, info := range infos {
		list[i] = provider.Provider{Name: info.Name, Unsigned: info.MayBeUnsigned}
		for _, kind := range info.Kinds {
			list[i].Kinds = append(list[i].Kinds, &verification.Kind{Provider: info.Name, Name: kind})
		}
	}
	return list
}

func TestConfigCommand(t *testing.T) {
	t.Setenv("VERDICT_API_ADDR", "127.0.0.1:7001")
	t.Setenv("VERDICT_SECRET_GLOBEX", "hidden-in-env")
	file := write(t, "instance: from-file\ndatabase-url: postgres://user:hidden-in-file@db/x\n")
	args := []string{"config", "--config", file, "--http-addr=127.0.0.1:7000", "--dev", "--secret-acme=hidden-in-flag"}

	want := map[string]Value{}
	for _, v := range []Value{
		{"VERDICT_HTTP_ADDR", "127.0.0.1:7000", "flag --http-addr"},
		{"VERDICT_API_ADDR", "127.0.0.1:7001", "environment"},
		{"VERDICT_DEV", "true", "flag --dev"},
		{"VERDICT_INSTANCE", "from-file", "file " + file},
		{"VERDICT_SECRET_ACME", redacted, "flag --secret-acme"},
		{"VERDICT_SECRET_GLOBEX", redacted, "environment"},
		{"VERDICT_DATABASE_URL", redacted, "file " + file},
		{"VERDICT_MASTER_KEY", "", "default"},
		{"VERDICT_RETENTION_ACME", "168h", "default"},
	} {
		want[v.Name] = v
	}
	table, _ := command(t, 0, args...)
	asJSON, _ := command(t, 0, append(args, "--json")...)
	if strings.Contains(table+asJSON, "hidden") {
		t.Errorf("the output shows a secret:\n%s%s", table, asJSON)
	}
	var got []Value
	if err := json.Unmarshal([]byte(asJSON), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(rows(testProviders)) {
		t.Errorf("%d values, want one for each of %d settings", len(got), len(rows(testProviders)))
	}
	lines := map[string]string{}
	for line := range strings.Lines(table) {
		lines[strings.Fields(line)[0]] = strings.Join(strings.Fields(line), " ")
	}
	for _, v := range got {
		if expected, listed := want[v.Name]; listed && v != expected {
			t.Errorf("got %+v, want %+v", v, expected)
		}
		if line := strings.Join(strings.Fields(v.Name+" "+v.Text+" "+v.Source), " "); lines[v.Name] != line {
			t.Errorf("the table says %q, want %q", lines[v.Name], line)
		}
	}
}

func TestConfigCommandReportsProblems(t *testing.T) {
	out, errs := command(t, 1, "config", "--retention=soon", "--replicas=2")
	if !strings.Contains(out, "VERDICT_RETENTION ") {
		t.Error("the settings are not printed when one is wrong")
	}
	for _, want := range []string{"VERDICT_RETENTION: ", "VERDICT_REPLICAS: "} {
		if strings.Count(errs, want) != 1 {
			t.Errorf("the errors do not say %q once:\n%s", want, errs)
		}
	}
}

func TestConfigFileFromEnvironment(t *testing.T) {
	t.Setenv(configVariable, write(t, "instance: from-env\n"))
	if out, _ := command(t, 0, "config"); !strings.Contains(out, "from-env") {
		t.Errorf("the file named by %s is not read:\n%s", configVariable, out)
	}
	other := write(t, "instance: from-flag\n")
	if out, _ := command(t, 0, "config", "--config="+other); !strings.Contains(out, "from-flag") {
		t.Errorf("--config does not win:\n%s", out)
	}
}

func TestUnknownFlag(t *testing.T) {
	_, errs := command(t, 1, "config", "--secret-initech=hidden")
	if !strings.Contains(errs, "--secret-initech") || strings.Contains(errs, "hidden") {
		t.Errorf("unclear error: %s", errs)
	}
}

func TestVersionCommand(t *testing.T) {
	if out, _ := command(t, 0, "version"); !strings.HasPrefix(out, "verdict "+version+" go") {
		t.Errorf("got %q", out)
	}
}

func TestSettingsTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rows(testProviders) {
		if seen[r.key()] {
			t.Errorf("%s is listed twice", r.name)
		}
		seen[r.key()] = true
		if strings.HasSuffix(r.name, "_FILE") || r.env() == configVariable {
			t.Errorf("%s has a name that is taken", r.name)
		}
		if !strings.HasSuffix(r.doc, ".") || strings.Count(r.doc, ". ") > 0 {
			t.Errorf("%s is not described by one sentence: %q", r.name, r.doc)
		}
	}
}

func TestSettingsDocumentIsCurrent(t *testing.T) {
	var want bytes.Buffer
	if err := writeSettingsDocument(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/settings.md does not describe the settings: run make generate")
	}
}
