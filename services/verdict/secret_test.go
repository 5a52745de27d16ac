package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecretNeverShowsItself(t *testing.T) {
	const text = "correct-horse-battery"
	type nested struct {
		Exported Secret
		hidden   Secret
		pointer  *Secret
		list     []Secret
	}
	secret := NewSecret(text)
	holder := nested{secret, secret, &secret, []Secret{secret}}
	renderings := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "% x", "%T", "%p"} {
		renderings["secret "+verb] = fmt.Sprintf(verb, secret)
		renderings["pointer "+verb] = fmt.Sprintf(verb, &secret)
		renderings["nested "+verb] = fmt.Sprintf(verb, holder)
		renderings["slice "+verb] = fmt.Sprintf(verb, holder.list)
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "yaml": yaml.Marshal} {
		out, err := marshal(map[string]any{"secret": secret, "nested": holder.Exported, "list": holder.list})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		renderings[name] = string(out)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("start", "secret", secret, "holder", holder, "list", holder.list)
	}
	renderings["slog"] = log.String()
	renderings["error"] = errors.Join(fmt.Errorf("open: %v", secret)).Error()

	hex := fmt.Sprintf("%x", text)
	for name, out := range renderings {
		if strings.Contains(out, text) || strings.Contains(strings.ToLower(out), hex) {
			t.Errorf("%s shows the secret: %s", name, out)
		}
	}
	for _, name := range []string{"secret %v", "secret %x", "json", "yaml", "slog", "error"} {
		if !strings.Contains(renderings[name], redacted) {
			t.Errorf("%s: got %q, want the placeholder in it", name, renderings[name])
		}
	}
}

func TestSecretReveals(t *testing.T) {
	if got := NewSecret("abc").Reveal(); got != "abc" {
		t.Errorf("Reveal() = %q, want abc", got)
	}
	empty := NewSecret("")
	if empty.IsSet() || empty.Reveal() != "" || fmt.Sprint(empty) != "" {
		t.Errorf("an empty secret counts as set: %q", fmt.Sprint(empty))
	}
	if !NewSecret("abc").Equal(NewSecret("abc")) || NewSecret("abc").Equal(NewSecret("abd")) || NewSecret("abc").Equal(empty) {
		t.Error("Equal does not compare the texts")
	}
}
