package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
	"github.com/verdict-stream/verdict/services/receiver"
)

const edgeToken = "edge-7c1e90af"

// What the receiver refuses before it looks at the signature is refused here too, with the
// reason, and without the token.
func TestVerifyEdge(t *testing.T) {
	configureSecrets(t)
	const name = "idenfy"
	for _, c := range []struct {
		name, set, line, header string
		status                  int
		result, hint            string
	}{
		{"good", edgeToken, "POST /webhooks/idenfy/~" + edgeToken + "/expired", "", 200, "accepted", ""},
		{"escaped", edgeToken, "POST /webhooks/idenfy/%7E" + edgeToken + "/expired", "", 200, "accepted", ""},
		{"not posted", "", "GET /webhooks/idenfy/expired", "", 405, "method_not_allowed", "the method is GET"},
		{"not posted, with a wrong token", edgeToken, "PUT /webhooks/idenfy/~no", "", 405, "method_not_allowed", "the method is PUT"},
		{"no token", edgeToken, "POST /webhooks/idenfy/expired", "", 404, "unknown_provider", "has no URL token, and VERDICT_URL_TOKEN_IDENFY is set"},
		{"wrong token", edgeToken, "POST /webhooks/idenfy/~" + edgeToken + "0/expired", "", 404, "unknown_provider", "is not that of VERDICT_URL_TOKEN_IDENFY"},
		{"empty token", edgeToken, "POST /webhooks/idenfy/~/expired", "", 404, "unknown_provider", "is not that of"},
		{"token without its mark", edgeToken, "POST /webhooks/idenfy/" + edgeToken, "", 404, "unknown_provider", "without the ~ before it"},
		{"token that is not set", "", "POST /webhooks/idenfy/~" + edgeToken + "/expired", "", 404, "unknown_provider", "is not set here"},
		{"too many parts", edgeToken, "POST /webhooks/idenfy/~" + edgeToken + "/expired/again", "", 404, "unknown_provider", "too many parts"},
		{"no provider", edgeToken, "POST /webhooks/~" + edgeToken + "/expired", "", 404, "unknown_provider", "does not name the provider"},
		{"announced length", "", "POST /webhooks/idenfy/expired", fmt.Sprintf("Content-Length: %d", receiver.BodyLimit+1), 413, "too_large", "2097153 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("VERDICT_URL_TOKEN_IDENFY", c.set)
			p, err := findProvider(all.Providers(), name)
			must(t, err)
			signed := signedExample(t, *p, newSecret)
			head := fmt.Sprintf("%s HTTP/1.1\n%s: %s\n%s\n", c.line, p.Scheme.Header, signed.Header[p.Scheme.Header], c.header)
			file := write(t, strings.TrimRight(head, "\n")+"\n\n"+string(signed.Body))
			status := 0
			if c.status != http.StatusOK {
				status = 1
			}
			v := verifyJSON(t, status, "--provider", name, file)[0]
			if v.Status != c.status || v.Result != c.result || v.Secret != 1 || !strings.Contains(strings.Join(v.Hints, "\n"), c.hint) {
				t.Errorf("answered with %d %s, secret %d, hints %q", v.Status, v.Result, v.Secret, v.Hints)
			}
			for _, args := range [][]string{{file}, {file, "--json"}} {
				if out, errs := verify(t, status, append(args, "--provider", name)...); strings.Contains(out+errs, edgeToken) {
					t.Errorf("the URL token is printed:\n%s%s", out, errs)
				}
			}
		})
	}
}

// A body over the limit is refused, whatever its signature is; a held one over its own.
func TestVerifyTooLarge(t *testing.T) {
	configureSecrets(t)
	large := bytes.Repeat([]byte(" "), receiver.BodyLimit+1)
	if v := verifyJSON(t, 1, "--provider", "kycaid", "--body", write(t, string(large)))[0]; v.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("answered with %d %s", v.Status, v.Result)
	}
	unsigned, err := os.ReadFile(samplePath("treezor", "kycreview_request"))
	must(t, err)
	padded := append(bytes.Clone(unsigned), bytes.Repeat([]byte(" "), receiver.HeldLimit)...)
	v := verifyJSON(t, 1, dump(t, "treezor", "", nil, padded))[0]
	if v.Status != http.StatusRequestEntityTooLarge || v.Result != "too_large" || len(v.Hints) != 1 || len(v.Elements) != 0 {
		t.Errorf("answered with %d %s, hints %q", v.Status, v.Result, v.Hints)
	}
	t.Setenv("VERDICT_URL_TOKEN_TREEZOR", edgeToken)
	if v := verifyJSON(t, 0, dump(t, "treezor", "/~"+edgeToken, nil, padded))[0]; v.Result != answerHeld {
		t.Errorf("with a token answered with %d %s", v.Status, v.Result)
	}
}

// Where no path was given, nobody knows whether it had the token.
func TestVerifyWithoutPath(t *testing.T) {
	configureSecrets(t)
	p := all.Providers()[0]
	t.Setenv("VERDICT_URL_TOKEN_"+strings.ToUpper(p.Name), edgeToken)
	signed := signedExample(t, p, newSecret)
	args := []string{"--provider", p.Name, "--body", write(t, string(signed.Body)), "-H", p.Scheme.Header + ": " + signed.Header[p.Scheme.Header]}
	if v := verifyJSON(t, 0, args...)[0]; !strings.Contains(strings.Join(v.Notes, ""), "whether it has the token is not checked") {
		t.Errorf("notes are %q", v.Notes)
	}
}

// Of an event that tells of nothing the payload is remembered, where its name is not signed:
// what comes of it later happened then.
func TestVerifyRemembers(t *testing.T) {
	configureSecrets(t)
	p, err := findProvider(all.Providers(), "treezor")
	must(t, err)
	body, err := os.ReadFile(samplePath("treezor", "user_kycreview.validated"))
	must(t, err)
	file := func(event, at string) string {
		t.Helper()
		object, err := provider.ParseObject(body)
		must(t, err)
		inner := object["webhook"].(map[string]any)
		inner["webhook"], inner["webhook_created_at"] = event, at
		signed, err := p.Sign(event, []byte(indent(object)), newSecret)
		must(t, err)
		return dump(t, p.Name, "", nil, signed.Body)
	}
	captured, reused := file("user.update", "17670000000000"), file("user.kycreview", "17680000000000")
	results := verifyJSON(t, 0, captured, reused)
	if v := results[0]; v.Outcome != "unhandled" || len(v.Remembered) != 1 || len(v.Elements) != 0 {
		t.Errorf("the first is %+v", v)
	}
	part := results[1].Elements[0]
	if !part.SeenBefore || !part.Signal.At.Equal(results[0].Remembered[0].At) || part.State == nil {
		t.Errorf("the second is %+v", part)
	}
	out, _ := verify(t, 0, captured, reused)
	for _, want := range []string{"remembers  the signed payload of signal " + part.Signal.ID, "name of the event is not signed", "dated back to 2025-12-29"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
}
