package main

import (
	"strings"
	"testing"
)

func TestYAML(t *testing.T) {
	c := load(testProviders, sources{env: environment(nil), file: write(t, `
# Either spelling will do.
http-addr: 127.0.0.1:9000
api_addr: "127.0.0.1:9001"
secret-acme: 0123,0456
replicas: 1
log-level:
`)})
	if err := c.Validate(""); err != nil {
		t.Fatal(err)
	}
	if c.HTTPAddr != "127.0.0.1:9000" || c.APIAddr != "127.0.0.1:9001" {
		t.Errorf("addresses = %q, %q", c.HTTPAddr, c.APIAddr)
	}
	if got := c.Provider("acme").Secrets; len(got) != 2 || got[0].Reveal() != "0123" {
		t.Error("a secret of digits did not stay as it was written")
	}
}

func TestYAMLIsStrict(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"unknown key", "http-adr: x", `:1: "http-adr" is no setting`},
		{"key of the environment", "VERDICT_HTTP_ADDR: x", `"VERDICT_HTTP_ADDR" is no setting`},
		{"capitals", "HTTP_ADDR: x", `"HTTP_ADDR" is no setting`},
		{"mixed spelling", "url-token_acme: x", `"url-token_acme" is no setting`},
		{"setting of no provider", "secret-initech: x", `"secret-initech" is no setting`},
		{"setting that the provider does not have", "globex-unsigned: hold", `"globex-unsigned" is no setting`},
		{"given twice", "api-addr: 127.0.0.1:1\napi-addr: 127.0.0.1:2", `:2: "api-addr" is given twice`},
		{"given in both spellings", "api-addr: 127.0.0.1:1\napi_addr: 127.0.0.1:2", `:2: "api_addr" is given twice`},
		{"list", "secret-acme: [hidden]", `"secret-acme" must have a single value`},
		{"nested", "secret: {acme: hidden}", `"secret" is no setting`},
		{"alias", "x: &a 1\napi-addr: *a", `"api-addr" must have a single value`},
		{"list at the top", "- hidden", "must map names of settings to values"},
		{"two documents", "dev: true\n---\ndev: false", "more than one document"},
		{"not YAML", "api-addr: 127.0.0.1:1\nsecret-acme: *hidden", "is not YAML"},
		{"not YAML either", "api-addr: x\n\tsecret-acme: hidden", "is not YAML: see line 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := load(testProviders, sources{env: environment(nil), file: write(t, test.content)}).Validate("")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want one with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

func TestYAMLReportsEveryKey(t *testing.T) {
	err := load(testProviders, sources{env: environment(nil), file: write(t, "one: 1\ntwo: 2\n")}).Validate("")
	for _, want := range []string{`"one"`, `"two"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestYAMLMayBeEmpty(t *testing.T) {
	if err := load(testProviders, sources{env: environment(nil), file: write(t, "# nothing\n")}).Validate(""); err != nil {
		t.Error(err)
	}
}

func TestYAMLFileMissing(t *testing.T) {
	if err := load(testProviders, sources{env: environment(nil), file: "/does/not/exist.yaml"}).Validate(""); err == nil {
		t.Error("a missing file is no error")
	}
}
