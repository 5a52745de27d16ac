package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider/all"
)

func TestParseRequest(t *testing.T) {
	for _, c := range []struct{ name, text, provider, segment, header, body, note string }{
		{"whole", "POST /webhooks/acme/~t/done HTTP/1.1\r\nX-Sum: 1\r\n\r\n{\"a\": 1}\r\n", "acme", "done", "1", "{\"a\": 1}\r\n", ""},
		{"URL and query", "POST https://x.example/in/webhooks/acme/auto-finish?x=/webhooks/b/c\nx-sum:1\n\n{}", "acme", "auto-finish", "1", "{}", ""},
		{"no request line", "x-sum:  1 \n\n{}\n\n", "", "", "1", "{}\n\n", ""},
		{"body alone", "{\"a\": 1}\n", "", "", "", "{\"a\": 1}\n", ""},
		{"no body", "POST /webhooks/acme HTTP/1.1\nX-Sum: 1", "acme", "", "1", "", ""},
		{"another path", "POST /else HTTP/1.1\nX-Sum: 1\n\n{}", "", "", "1", "{}", ""},
		{"line end of an editor", "X-Sum: 1\nContent-Length: 2\n\n{}\n", "", "", "1", "{}", "left out"},
		{"cut", "X-Sum: 1\nContent-Length: 9\n\n{}\n", "", "", "1", "{}\n", "not the bytes"},
		{"of two the first", "X-Sum: 1\nX-Sum: 2\n\n{}", "", "", "1", "{}", ""},
		{"curl", "*   Trying 127.0.0.1:8080...\n> POST /webhooks/acme/~t/done HTTP/1.1\r\n> Host: x\r\n> X-Sum: 1\r\n> Content-Length: 2\r\n>\r\n} [2 bytes data]\n" +
			"* upload completely sent off: 2 bytes\n{}\n< HTTP/1.1 401 Unauthorized\n< A: b\n<\n{\"cause\":\"bad_signature\"}\n", "acme", "done", "1", "{}", "left out"},
		{"curl without a body", "> POST /webhooks/acme HTTP/2\n> X-Sum: 1\n> \n< HTTP/2 401\n< \n{\"title\":\"no\"}", "acme", "", "1", "", "does not show the body"},
		{"curl, headers alone", "> X-Sum: 1\n>\n{\"a\":\n  1}", "", "", "1", "{\"a\":\n  1}", ""},
		{"no curl", "> no header\n{}", "", "", "", "> no header\n{}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := parseRequest([]byte(c.text))
			must(t, err)
			p.limit()
			name := ""
			if p.route != nil {
				name = p.route.provider
			}
			if name != c.provider || p.segment() != c.segment || p.header.Get("X-Sum") != c.header || string(p.body) != c.body {
				t.Errorf("parsed as %+v with the body %q", p, p.body)
			}
			if note := strings.Join(p.notes, ""); !strings.Contains(note, c.note) || (c.note == "") != (note == "") {
				t.Errorf("notes are %q, want %q", note, c.note)
			}
		})
	}
	if _, err := parseRequest([]byte("X-Sum: 1\nbody without an empty line before\n")); err == nil {
		t.Error("a line that is no header was taken for one")
	}
}

// The headers, the body, the event and the secret can be given one by one.
func TestVerifyParts(t *testing.T) {
	p, err := findProvider(all.Providers(), "idenfy")
	must(t, err)
	const event = "ID VERIFICATION EXPIRED"
	signed, err := p.Sign(event, []byte(`{"scanRef":"parts-1","status":{"overall":"EXPIRED"}}`), newSecret)
	must(t, err)
	dir := t.TempDir()
	body, headers := filepath.Join(dir, "body"), filepath.Join(dir, "headers")
	must(t, os.WriteFile(body, signed.Body, 0o600))
	line := p.Scheme.Header + ": " + signed.Header[p.Scheme.Header]
	must(t, os.WriteFile(headers, []byte("POST /x HTTP/1.1\nA: b, c\n"+line+"\n\n"), 0o600))
	curled := filepath.Join(dir, "curl")
	must(t, os.WriteFile(curled, []byte("* Connected\n> POST /webhooks/idenfy/expired HTTP/1.1\n> "+line+"\n>\n< HTTP/1.1 401 Unauthorized\n"), 0o600))
	for _, args := range [][]string{
		{"--event", event, "-H", line, "--body", body},
		{"--path", "expired", "--headers-file", headers, "--body", body},
		{"--event", event, "--header", strings.ToLower(line), body},
		{"--headers-file", curled, "--body", body},
	} {
		args = append(args, "--provider", "idenfy", "--secret", "another,", "--secret", newSecret)
		if v := verifyJSON(t, 0, args...)[0]; v.Secret != 2 || v.Event != "id_verification_expired" {
			t.Errorf("%v: secret %d, event %s", args, v.Secret, v.Event)
		}
	}
}

// Standard input is read where nothing else is said, and the secret of development mode found.
func TestVerifyStandardInput(t *testing.T) {
	p := all.Providers()[0]
	data := t.TempDir()
	made, err := PrepareDev(data, []string{p.Name})
	must(t, err)
	signed := signedExample(t, p, made.Secrets[p.Name].Reveal())
	file, err := os.Open(dump(t, p.Name, signed.Path, signed.Header, signed.Body))
	must(t, err)
	defer func() { _ = file.Close() }()
	stdin := os.Stdin
	os.Stdin = file
	defer func() { os.Stdin = stdin }()
	out, _ := verify(t, 0, "--json", "--data-dir", data)
	var results []verified
	must(t, json.Unmarshal([]byte(out), &results))
	if results[0].SecretsFrom != "development mode" || results[0].Source != "-" {
		t.Errorf("verified as %+v", results[0])
	}
}

func TestVerifyErrors(t *testing.T) {
	body := write(t, "{}")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{body}, "--provider"},
		{[]string{"--provider", "nobody", body}, "nobody"},
		{[]string{"--provider", "idenfy", body}, "VERDICT_SECRET_IDENFY"},
		{[]string{"--provider", "idenfy", "--secret", "s", "--event", "none", body}, "ID VERIFICATION EXPIRED"},
		{[]string{"--provider", "idenfy", "--secret", "s", "--body", body, body}, "not both"},
		{[]string{"--provider", "idenfy", "--secret", "s", "-H", "no header", body}, "NAME: VALUE"},
		{[]string{"--provider", "idenfy", "--secret", "s", "--headers-file", "missing", body}, "read the headers"},
		{[]string{"--provider", "idenfy", "--secret", "s", "missing.http"}, "missing.http"},
	} {
		if _, errs := verify(t, 1, c.args...); !strings.Contains(errs, c.want) {
			t.Errorf("%v: %q does not say %q", c.args, errs, c.want)
		}
	}
}
