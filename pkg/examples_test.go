package pkg_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider/all"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/schemas"
)

var update = flag.Bool("update", false, "write the examples")

const (
	examplesFolder = "../schemas/examples"
	exampleTrace   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

// exampleTime is when the story of the examples begins.
var exampleTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The examples are what is really published, so that nobody learns from them what is not so.
func TestExamplesAreWhatIsPublished(t *testing.T) {
	var names []string
	for name, value := range examples(t) {
		names = append(names, name)
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(filepath.Join(examplesFolder, name), want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := schemas.Examples.ReadFile("examples/" + name)
		if err != nil {
			t.Errorf("%v; go test -run Examples -update writes it", err)
			continue
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("%s (-published +example):\n%s", name, diff)
		}
	}
	if *update {
		return
	}
	files, err := fs.Glob(schemas.Examples, "examples/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(names, path.Base(file)) {
			t.Errorf("%s is an example of nothing", file)
		}
	}
}

// Every example is as its schema says, and every schema has one.
func TestExamplesFitTheirSchemas(t *testing.T) {
	compiler := schemaCompiler(t)
	shown := map[string]bool{}
	files, err := fs.Glob(schemas.Examples, "examples/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, _, _ := strings.Cut(path.Base(file), ".")
		shown[name+".json"] = true
		schema, err := compiler.Compile(schemas.Base + name + ".json")
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		text, err := schemas.Examples.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(toJSON(t, json.RawMessage(text))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for name := range schemaFiles(t) {
		if !shown[name] {
			t.Errorf("%s has no example", name)
		}
	}
}

// examples returns them by the names of their files: the story of one end user who is refused by a human and approved when he tries again,
// and one of everything else.
func examples(t *testing.T) map[string]any {
	t.Helper()
	kind := exampleKind(t)
	id := verification.NewID("idenfy", "id_verification", "3af0b5c9")
	record := verification.Record{ID: id}
	shown := map[string]any{}
	show := func(s verification.Signal) event.Verification {
		t.Helper()
		if s.Delivery != "" {
			if err := kind.Fill(&s); err != nil {
				t.Fatal(err)
			}
		}
		change, err := kind.Apply(&record, s)
		if err != nil {
			t.Fatal(err)
		}
		v := event.NewVerification(id, kind.Scope, *change)
		shown["verification."+change.Event+".json"] = v
		return v
	}
	delivered := func(seq uint64, after time.Duration, says, name string, attempt int64, reasons ...verification.Reason) verification.Signal {
		at := exampleTime.Add(after)
		start, finish := exampleTime.Unix()+attempt, exampleTime.Unix()+attempt+90
		hash := strings.Repeat(string(rune('a'+seq)), 64)
		s := verification.Signal{
			ID: hash + "#0", At: at, Event: name, Says: says, Decoder: 1, Reasons: reasons, Applicant: "client-4711",
			Attempt: &verification.AttemptKey{Start: &start, Finish: &finish},
		}
		s.Received(seq, at.Add(time.Second), event.WebhookID("idenfy", "", []byte(hash)))
		return s
	}
	first := delivered(1, 0, "preliminary", "id_verification_auto_finish", 0)
	first.Preliminary = verification.Rejected
	waiting := show(first)
	show(verification.NewOverdue(*waiting.ReviewDueAt, waiting.ReviewDueAt.Add(time.Second), false))
	show(delivered(3, 30*time.Minute, "manual_rejected", "id_verification_manual_finish", 0,
		verification.Reason{Code: "DOC_EXPIRED", Category: verification.CategoryDocument, Source: "manualDocument"}))
	approved := show(delivered(4, 2*time.Hour, "auto_approved", "id_verification_auto_finish", 7200))
	shown["verification-envelope.approved.json"] = must(approved.Envelope("default", "approved", exampleTrace))(t)
	show(verification.NewAnonymized(4, exampleTime.Add(7*24*time.Hour), false))

	webhook := event.Webhook{
		ID: event.WebhookID("idenfy", "", []byte("signed")), Provider: "idenfy", Event: "id_verification_auto_finish", Instance: "default",
		ReceivedAt: exampleTime.Add(time.Second), SealKey: "idenfy/2026-03-01T12-5f0c81d2", Sealed: []byte("sealed bytes"), Traceparent: exampleTrace,
	}
	shown["webhook-envelope.idenfy.json"] = must(webhook.Envelope())(t)
	shown["outcome.repeat.json"] = event.Outcome{
		Delivery: webhook.ID, Sequence: 5, Provider: "idenfy", Event: webhook.Event, Outcome: event.Repeat,
		Anomalies: []string{}, Verifications: []string{id.String()}, At: exampleTime.Add(2 * time.Second),
	}
	shown["rejection.bad_signature.json"] = event.Rejection{
		Provider: "idenfy", Cause: event.CauseBadSignature, ReceivedAt: exampleTime, BodySHA256: strings.Repeat("5e", 32), BodyBytes: 2048,
	}
	shown["problem.bad_signature.json"] = event.Problem{
		Type: "https://schemas.verdict.example/problems/bad_signature", Title: "Signature does not match", Status: 401,
		Detail: "Check that the secret configured here is the one of the subscription, and that nothing on the way changes the body.",
		Cause:  event.CauseBadSignature,
	}
	shown["dead-letter.invalid_json.json"] = bus.DeadLetter{
		Consumer: "lifecycle-idenfy", Stream: bus.Webhooks, Sequence: 6, Subject: event.WebhookSubject("idenfy", "undecodable"),
		EventID: webhook.ID, Provider: "idenfy", Cause: "invalid_json", Error: "body is not JSON", Attempts: 1,
		FirstErrorAt: exampleTime, LastErrorAt: exampleTime,
	}
	shown["redrive-request.letter.json"] = bus.RedriveRequest{
		Consumer: "lifecycle-idenfy", Stream: bus.Webhooks, Sequence: 6, Letter: 1, Actor: "operator@host", Via: "cli",
	}
	shown["spool-horizon.open.json"] = bus.SpoolHorizon{Receiver: "3f9c20d1a7b04e55", Until: exampleTime}
	shown["audit-entry.replay.json"] = bus.AuditEntry{
		At: exampleTime, Verb: "replay", Actor: "operator@host", Via: "cli", Target: "replay onboarding-backfill", Filter: "provider=idenfy", Count: 1204,
	}
	return shown
}

func exampleKind(t *testing.T) *verification.Kind {
	t.Helper()
	for _, p := range all.Providers() {
		if kind, ok := p.Kind("id_verification"); ok && p.Name == "idenfy" {
			return kind
		}
	}
	t.Fatal("the kind of the examples is gone")
	return nil
}
