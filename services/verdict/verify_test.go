package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
)

const (
	newSecret = "verify-new-b1946ac9"
	oldSecret = "verify-old-7f04391a"
)

// verify runs `verdict verify` with both secrets and checks its exit status.
func verify(t *testing.T, status int, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"verify", "--data-dir", t.TempDir()}, args...)
	if got := run(args, all.Providers(), &stdout, &stderr); got != status {
		t.Fatalf("verdict %s: status %d, want %d\n%s%s", strings.Join(args, " "), got, status, &stdout, &stderr)
	}
	for _, secret := range []string{newSecret, oldSecret} {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Fatalf("a secret is printed:\n%s%s", &stdout, &stderr)
		}
	}
	return stdout.String(), stderr.String()
}

// configureSecrets configures both secrets for every provider.
func configureSecrets(t *testing.T) {
	t.Helper()
	for _, p := range all.Providers() {
		t.Setenv("VERDICT_SECRET_"+strings.ToUpper(p.Name), newSecret+","+oldSecret)
	}
}

// signedExample is a provider's example as it posts it.
func signedExample(t *testing.T, p provider.Provider, secret string) provider.Signed {
	t.Helper()
	signed, err := p.Sign(p.Example.Event, p.Example.Body, secret)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// dump writes a request as a file.
func dump(t *testing.T, name, path string, header map[string]string, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /webhooks/%s%s HTTP/1.1\r\n", name, path)
	for name, value := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	b.WriteString("\r\n")
	b.Write(body)
	file := filepath.Join(t.TempDir(), "request.http")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func verifyJSON(t *testing.T, status int, args ...string) []verified {
	t.Helper()
	out, _ := verify(t, status, append(args, "--json")...)
	var results []verified
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		t.Fatal(err)
	}
	return results
}

func TestVerifyAccepts(t *testing.T) {
	configureSecrets(t)
	for _, p := range all.Providers() {
		t.Run(p.Name, func(t *testing.T) {
			t.Setenv("VERDICT_URL_TOKEN_"+strings.ToUpper(p.Name), "t0ken")
			signed := signedExample(t, p, oldSecret)
			file := dump(t, p.Name, "/~t0ken"+signed.Path, signed.Header, signed.Body)
			v := verifyJSON(t, 0, file)[0]
			if v.Secret != 2 || v.Secrets != 2 || v.Matched == 0 || v.Result != answerAccepted || v.Event != p.Token(p.Example.Event) {
				t.Errorf("verified as %+v", v)
			}
			if len(v.Elements) == 0 || v.Elements[0].State == nil || v.Elements[0].State.Version != 1 {
				t.Errorf("elements are %+v", v.Elements)
			}
			out, _ := verify(t, 0, file)
			for _, want := range []string{string(p.Scheme.Algorithm), p.Scheme.Place(), "secret 2 of 2 fits", "version 1", v.ID} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in:\n%s", want, out)
				}
			}
			if strings.Contains(out, "t0ken") {
				t.Error("the URL token is printed")
			}
		})
	}
}

// Claims are personal data.
func TestVerifyClaims(t *testing.T) {
	configureSecrets(t)
	for _, p := range all.Providers() {
		signed := signedExample(t, p, newSecret)
		file := dump(t, p.Name, signed.Path, signed.Header, signed.Body)
		without := verifyJSON(t, 0, file)[0]
		with := verifyJSON(t, 0, file, "--claims")[0]
		for i, part := range without.Elements {
			if part.Claims != nil {
				t.Errorf("%s: claims are printed without --claims", p.Name)
			}
			if part.HasClaims != (with.Elements[i].Claims != nil) {
				t.Errorf("%s: has claims %t, printed are %+v", p.Name, part.HasClaims, with.Elements[i].Claims)
			}
		}
	}
}

// Each case spoils a good webhook in a way that happens, and wants the hint that tells.
func TestVerifyHints(t *testing.T) {
	configureSecrets(t)
	byName := func(name string) provider.Provider {
		p, err := findProvider(all.Providers(), name)
		must(t, err)
		return *p
	}
	sum := func(body []byte) []byte {
		mac := hmac.New(sha512.New, []byte(newSecret))
		mac.Write(body)
		return mac.Sum(nil)
	}
	for _, c := range []struct {
		name, provider string
		spoil          func(*provider.Signed, *provider.Scheme)
		want           string
	}{
		{"no header", "yousign", func(s *provider.Signed, _ *provider.Scheme) { s.Header = nil }, "the header X-Yousign-Signature-256 is missing"},
		{"renamed header", "idenfy", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header = map[string]string{"X-Idenfy-Signature": s.Header[scheme.Header]}
		}, "with the header X-Idenfy-Signature under its right name"},
		{"no field", "treezor", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Body = bytes.ReplaceAll(s.Body, []byte(scheme.Field), []byte("nothing"))
		}, "the field object_payload_signature of the body is missing"},
		{"line feed more", "idenfy", func(s *provider.Signed, _ *provider.Scheme) { s.Body = append(bytes.Clone(s.Body), '\n') }, "with one line feed less at the end of the body"},
		{"line feed less", "idenfy", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Body = bytes.TrimRight(s.Body, "\n")
			s.Header[scheme.Header] = scheme.Signature(append(bytes.Clone(s.Body), '\n'), newSecret)
		}, "with a line feed at the end of the body"},
		{"byte order mark", "kycaid", func(s *provider.Signed, _ *provider.Scheme) { s.Body = append([]byte("\uFEFF"), s.Body...) }, "no byte order mark"},
		{"base64", "kycaid", func(s *provider.Signed, _ *provider.Scheme) {
			s.Body = []byte(base64.StdEncoding.EncodeToString(s.Body))
		}, "with the body decoded from base64"},
		{"compacted", "yousign", func(s *provider.Signed, scheme *provider.Scheme) {
			var compact bytes.Buffer
			must(t, json.Compact(&compact, s.Body))
			s.Header[scheme.Header] = scheme.Signature(compact.Bytes(), oldSecret)
		}, "with no white space between the values of the body"},
		{"serialised with escapes", "yousign", func(s *provider.Signed, _ *provider.Scheme) { s.Body = escaped(s.Body, `\u%04x`) }, "characters beyond ASCII as they are"},
		{"serialised without escapes", "yousign", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header[scheme.Header] = scheme.Signature(escaped(s.Body, `\u%04x`), newSecret)
		}, `with the body with \u and their number in place of the characters beyond ASCII`},
		{"serialised by PHP", "yousign", func(s *provider.Signed, scheme *provider.Scheme) {
			var compact bytes.Buffer
			must(t, json.Compact(&compact, s.Body))
			php := bytes.ReplaceAll(escaped(compact.Bytes(), `\u%04x`), []byte("/"), []byte(`\/`))
			s.Header[scheme.Header] = scheme.Signature(php, newSecret)
		}, "with escaped slashes, without white space"},
		{"serialised by Python", "yousign", func(s *provider.Signed, scheme *provider.Scheme) {
			var compact bytes.Buffer
			must(t, json.Compact(&compact, s.Body))
			s.Header[scheme.Header] = scheme.Signature(escaped(spaced(compact.Bytes()), `\u%04x`), newSecret)
		}, "with a blank behind each comma and colon"},
		{"line ends", "yousign", func(s *provider.Signed, _ *provider.Scheme) {
			s.Body = bytes.ReplaceAll(s.Body, []byte("\n"), []byte("\r\n"))
		}, "with line feeds alone"},
		{"prefix", "yousign", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header[scheme.Header] = strings.TrimPrefix(s.Header[scheme.Header], scheme.Prefix)
		}, `with "sha256=" before the signature`},
		{"other prefix", "idenfy", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header[scheme.Header] = "sha256=" + s.Header[scheme.Header]
		}, "with the signature without its prefix"},
		{"capitals", "idenfy", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header[scheme.Header] = strings.ToUpper(s.Header[scheme.Header])
		}, "with the signature in lower case"},
		{"base64 for hexadecimal", "idenfy", func(s *provider.Signed, scheme *provider.Scheme) {
			b, err := hex.DecodeString(s.Header[scheme.Header])
			must(t, err)
			s.Header[scheme.Header] = base64.StdEncoding.EncodeToString(b)
		}, "in place of base64"},
		{"length", "idenfy", func(s *provider.Signed, scheme *provider.Scheme) { s.Header[scheme.Header] = "0a0b" }, "has 2 bytes, and HMAC-SHA256 makes 32"},
		{"other algorithm", "idenfy", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header[scheme.Header] = hex.EncodeToString(sum(s.Body))
		}, "secret 1 fits HMAC-SHA512 in lower-case hexadecimal over the body as it is"},
		{"not base64 before", "kycaid", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header[scheme.Header] = hex.EncodeToString(sum(s.Body))
		}, "over the body as it is: that is another scheme than kycaid documents"},
		{"line feed in the secret", "kycaid", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header[scheme.Header] = scheme.Signature(scheme.Messages(s.Body)[0], newSecret+"\n")
		}, "with a line feed behind the secret"},
		{"two changes", "yousign", func(s *provider.Signed, scheme *provider.Scheme) {
			s.Header[scheme.Header] = strings.TrimPrefix(s.Header[scheme.Header], scheme.Prefix)
			s.Body = append(bytes.Clone(s.Body), '\n')
		}, `with one line feed less at the end of the body and "sha256=" before the signature`},
		{"another provider's", "kycaid", func(s *provider.Signed, _ *provider.Scheme) { s.Header = map[string]string{"idenfy-signature": "00"} }, "is this a webhook of idenfy?"},
		{"another secret", "treezor", func(s *provider.Signed, _ *provider.Scheme) {
			*s = signedExample(t, byName("treezor"), "somebody else's")
		}, "none of 2 secrets fits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := byName(c.provider)
			signed := signedExample(t, p, newSecret)
			c.spoil(&signed, &p.Scheme)
			v := verifyJSON(t, 1, dump(t, p.Name, signed.Path, signed.Header, signed.Body))[0]
			if hints := strings.Join(v.Hints, "\n"); !strings.Contains(hints, c.want) {
				t.Errorf("the hints are\n%s\nwant %q", hints, c.want)
			}
			if v.Status != p.RefusedStatus || v.Secret != 0 || v.ID != "" {
				t.Errorf("answered with %d %s", v.Status, v.Result)
			}
		})
	}
}

// Several webhooks are taken in as one after the other; the second changes the verification
// that the first told of.
func TestVerifyFolds(t *testing.T) {
	configureSecrets(t)
	p, err := findProvider(all.Providers(), "idenfy")
	must(t, err)
	body := []byte(`{"scanRef":"fold-1","clientId":"somebody@example.org","final":false,"status":{"overall":"DENIED"},"startTime":1753900000,"finishTime":1753900100}`)
	var files []string
	for _, event := range []string{"ID VERIFICATION AUTO FINISH", "ID VERIFICATION MANUAL FINISH"} {
		signed, err := p.Sign(event, body, newSecret)
		must(t, err)
		files = append(files, dump(t, p.Name, signed.Path, signed.Header, signed.Body))
		body = bytes.Replace(bytes.Replace(body, []byte("false"), []byte("true"), 1), []byte("DENIED"), []byte("APPROVED"), 1)
	}
	results := verifyJSON(t, 0, append(files, files[1])...)
	for i, want := range []string{"awaiting_review 1 ", "approved 2 awaiting_review"} {
		state := results[i].Elements[0].State
		before := ""
		if state.PreviousStatus != nil {
			before = string(*state.PreviousStatus)
		}
		if got := fmt.Sprint(state.Status, " ", state.Version, " ", before); got != want {
			t.Errorf("webhook %d comes to %s, want %s", i+1, got, want)
		}
		if state.Signal.Applicant != hashed {
			t.Errorf("the applicant is printed as %q", state.Signal.Applicant)
		}
	}
	if again := results[2].Elements[0]; again.State != nil {
		t.Errorf("a copy comes to %+v", again.State)
	}
}

// A signed payload has no effect on a second verification, as in the lifecycle.
func TestVerifyReusedPayload(t *testing.T) {
	configureSecrets(t)
	p, err := findProvider(all.Providers(), "treezor")
	must(t, err)
	body, err := os.ReadFile(samplePath("treezor", "kycliveness_update.accepted"))
	must(t, err)
	signed, err := p.Sign("kycliveness.update", body, newSecret)
	must(t, err)
	first := dump(t, p.Name, "", nil, signed.Body)
	other := bytes.Replace(signed.Body, []byte(`"object_id":"6f1c92d4`), []byte(`"object_id":"6f1c92d5`), 1)
	if bytes.Equal(other, signed.Body) {
		other = bytes.Replace(signed.Body, []byte(`"object_id": "6f1c92d4`), []byte(`"object_id": "6f1c92d5`), 1)
	}
	results := verifyJSON(t, 0, first, dump(t, p.Name, "", nil, other))
	if results[0].Elements[0].Reused || !results[1].Elements[0].Reused {
		t.Errorf("reused: %+v, %+v", results[0].Elements[0], results[1].Elements[0])
	}
}

// What has no verdict in it is told apart.
func TestVerifyOutcomes(t *testing.T) {
	configureSecrets(t)
	yousign, err := findProvider(all.Providers(), "yousign")
	must(t, err)
	for _, c := range []struct{ body, result, outcome string }{
		{`{"event_name":"signature_request.done"}`, answerIgnored, ""},
		{`{"event_name":"workflow_session.done"}`, answerAccepted, "unhandled"},
		{`{"event_name":"verification.identity_document.done"}`, answerAccepted, "dead: missing_reference"},
		{`not JSON`, answerAccepted, "dead: invalid_json"},
	} {
		signed, err := yousign.Sign("verification.identity_document.done", []byte(c.body), newSecret)
		must(t, err)
		v := verifyJSON(t, 0, dump(t, "yousign", "", signed.Header, signed.Body))[0]
		if v.Result != c.result || !strings.HasPrefix(v.Outcome, c.outcome) || (c.outcome == "") != (v.Outcome == "") {
			t.Errorf("%s: %s, %q", c.body, v.Result, v.Outcome)
		}
	}
	unsigned, err := os.ReadFile(samplePath("treezor", "kycreview_request"))
	must(t, err)
	for policy, want := range map[string]string{"hold": answerHeld, "token": answerAccepted, "reject": "missing_signature"} {
		t.Setenv("VERDICT_TREEZOR_UNSIGNED", policy)
		t.Setenv("VERDICT_URL_TOKEN_TREEZOR", "t0ken-in-path")
		status := 0
		if policy == "reject" {
			status = 1
		}
		if v := verifyJSON(t, status, dump(t, "treezor", "/~t0ken-in-path", nil, unsigned))[0]; v.Result != want || !v.Unsigned {
			t.Errorf("policy %s: %s, want %s", policy, v.Result, want)
		}
	}
}
