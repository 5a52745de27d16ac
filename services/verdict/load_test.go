package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testProviders are made up: configuration must not know the real ones.
var testProviders = []ProviderInfo{
	{Name: "acme", Kinds: []string{"interview", "passport"}, MayBeUnsigned: true},
	{Name: "globex", Kinds: []string{"selfie"}},
}

// environment returns a lookup in a map.
func environment(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text, given := variables[name]
		return text, given
	}
}

// write puts content into a new file and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// value returns the resolved setting of that name.
func value(t *testing.T, c *Config, name string) Value {
	t.Helper()
	for _, v := range c.Values() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no setting %s", name)
	return Value{}
}

func TestDefaults(t *testing.T) {
	c := load(testProviders, sources{env: environment(nil)})
	if err := c.Validate(""); err != nil {
		t.Fatalf("the defaults are wrong: %v", err)
	}
	want := &Config{
		HTTPAddr: "127.0.0.1:8080", APIAddr: "127.0.0.1:8081", NATSAddr: "127.0.0.1:4222",
		DataDir: "./data", KeyDir: "./data/keys", Replicas: 1, Instance: "default",
		SpoolMark: 1 << 30, SpoolAge: 12 * time.Hour, DiskMark: 256 << 20,
		Retention: 7 * 24 * time.Hour, DeduplicationWindow: 2 * time.Minute,
		LogLevel: slog.LevelInfo, LogFormat: "text",
		Providers: []ProviderConfig{
			{ProviderInfo: testProviders[0], Retention: 7 * 24 * time.Hour, Unsigned: UnsignedHold},
			{ProviderInfo: testProviders[1], Retention: 7 * 24 * time.Hour},
		},
	}
	ignoreRecord := cmp.FilterPath(func(p cmp.Path) bool {
		return p.String() == "values" || p.String() == "problems"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, c, ignoreRecord); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	for _, v := range c.Values() {
		if v.Source != "default" {
			t.Errorf("%s comes from %q", v.Name, v.Source)
		}
	}
}

func TestPrecedence(t *testing.T) {
	const name = "VERDICT_HTTP_ADDR"
	fromFile := write(t, "127.0.0.1:3\n")
	fromYAML := write(t, "http-addr: 127.0.0.1:1\n")
	everything := func() sources {
		return sources{
			flags: map[string]string{"http-addr": "127.0.0.1:4"},
			env:   environment(map[string]string{name: "127.0.0.1:2", name + "_FILE": fromFile}),
			file:  fromYAML,
		}
	}
	for _, test := range []struct {
		name       string
		without    func(*sources)
		want, from string
	}{
		{"the flag beats all", func(*sources) {}, "127.0.0.1:4", "flag --http-addr"},
		{"X_FILE beats X", func(s *sources) { s.flags = nil }, "127.0.0.1:3", "file named by VERDICT_HTTP_ADDR_FILE"},
		{"X beats YAML", func(s *sources) {
			s.flags, s.env = nil, environment(map[string]string{name: "127.0.0.1:2"})
		}, "127.0.0.1:2", "environment"},
		{"YAML beats the default", func(s *sources) { s.flags, s.env = nil, environment(nil) }, "127.0.0.1:1", "file " + fromYAML},
		{"an empty variable is none", func(s *sources) {
			s.flags, s.env = nil, environment(map[string]string{name: "", name + "_FILE": ""})
		}, "127.0.0.1:1", "file " + fromYAML},
		{"an empty flag asks for the default", func(s *sources) { s.flags = map[string]string{"http-addr": ""} }, "127.0.0.1:8080", "default"},
	} {
		t.Run(test.name, func(t *testing.T) {
			from := everything()
			test.without(&from)
			c := load(testProviders, from)
			if err := c.Validate(""); err != nil {
				t.Fatal(err)
			}
			if c.HTTPAddr != test.want {
				t.Errorf("HTTPAddr = %q, want %q", c.HTTPAddr, test.want)
			}
			want := Value{Name: name, Text: test.want, Source: test.from}
			if diff := cmp.Diff(want, value(t, c, name)); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValueFile(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"without a newline", "secret", "secret"},
		{"one newline does not count", "secret\n", "secret"},
		{"nor does one of Windows", "secret\r\n", "secret"},
		{"a second newline does", "secret\n\n", "secret\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := load(testProviders, sources{env: environment(map[string]string{"VERDICT_ADMIN_TOKEN_FILE": write(t, test.content)})})
			if got := c.AdminToken.Reveal(); got != test.want {
				t.Errorf("token = %q, want %q", got, test.want)
			}
		})
	}
	for name, path := range map[string]string{"empty": write(t, "\n"), "missing": filepath.Join(t.TempDir(), "none")} {
		c := load(testProviders, sources{env: environment(map[string]string{
			"VERDICT_ADMIN_TOKEN_FILE": path,
			"VERDICT_ADMIN_TOKEN":      "not this one",
		})})
		err := c.Validate(RoleAPI)
		if err == nil || !strings.Contains(err.Error(), "VERDICT_ADMIN_TOKEN_FILE") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s file: error %v does not name the variable and the file", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "is not set") || c.AdminToken.IsSet() {
			t.Errorf("%s file: taken for a missing setting: %v", name, err)
		}
	}
}

func TestProviderSettings(t *testing.T) {
	c := load(testProviders, sources{env: environment(map[string]string{
		"VERDICT_SECRET_ACME":      "new, old",
		"VERDICT_URL_TOKEN_GLOBEX": "path-token",
		"VERDICT_RETENTION":        "48h",
		"VERDICT_RETENTION_GLOBEX": "72h",
		"VERDICT_ACME_UNSIGNED":    "token",
		"VERDICT_GLOBEX_UNSIGNED":  "nonsense", // Not offered, so not read.
		"VERDICT_DEADLINES":        "acme/interview=48h, globex/selfie=20m",
	})})
	if err := c.Validate(""); err != nil {
		t.Fatal(err)
	}
	want := []ProviderConfig{
		{
			ProviderInfo: testProviders[0], Secrets: []Secret{NewSecret("new"), NewSecret("old")},
			Retention: 48 * time.Hour, Unsigned: UnsignedToken,
		},
		{ProviderInfo: testProviders[1], URLToken: NewSecret("path-token"), Retention: 72 * time.Hour},
	}
	if diff := cmp.Diff(want, c.Providers); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
	if !c.Provider("acme").Served() || c.Provider("globex").Served() || c.Provider("initech") != nil {
		t.Error("a provider is served exactly if it has a secret")
	}
	wantDeadlines := map[string]time.Duration{"acme/interview": 48 * time.Hour, "globex/selfie": 20 * time.Minute}
	if diff := cmp.Diff(wantDeadlines, c.Deadlines); diff != "" {
		t.Errorf("deadlines (-want +got):\n%s", diff)
	}
	if got := value(t, c, "VERDICT_RETENTION_ACME"); got.Text != "48h" || got.Source != "default" {
		t.Errorf("the provider's retention does not follow the common one: %+v", got)
	}
}

func TestKeyDirFollowsDataDir(t *testing.T) {
	c := load(nil, sources{env: environment(map[string]string{"VERDICT_DATA_DIR": "/var/lib/verdict"})})
	if c.KeyDir != "/var/lib/verdict/keys" {
		t.Errorf("KeyDir = %q", c.KeyDir)
	}
}
