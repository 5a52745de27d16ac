package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/services/receiver"
)

// startReceiver runs a receiver for all providers, with the secrets of development mode in
// data, and returns its address. The first provider has a URL token.
func startReceiver(t *testing.T, data, urlToken string) string {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	b := bustest.Open(t, bustest.Settings(time.Hour))
	keys, err := seal.Open(filepath.Join(data, "keys"), make([]byte, seal.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	var served []receiver.Served
	for i, p := range all.Providers() {
		made, err := PrepareDev(data, []string{p.Name})
		if err != nil {
			t.Fatal(err)
		}
		p.Budget = time.Minute
		one := receiver.Served{Provider: p, Secrets: []string{made.Secrets[p.Name].Reveal()}}
		if i == 0 {
			one.URLToken = urlToken
		}
		served = append(served, one)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- receiver.Run(ctx, receiver.Config{
			Listener: listener, Instance: "test", Providers: served, Logger: quiet,
			Open:    func(context.Context) (receiver.Stores, error) { return receiver.Stores{Keys: keys}, nil },
			Connect: func(context.Context) (*bus.Bus, error) { return b, nil },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// send runs `verdict send` and checks its exit status.
func send(t *testing.T, status int, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(append([]string{"send"}, args...), all.Providers(), &stdout, &stderr); got != status {
		t.Fatalf("verdict send %s: status %d, want %d\n%s%s", strings.Join(args, " "), got, status, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// sampleFile returns a payload of an event that the provider's folder has one for.
func sampleFile(t *testing.T, p provider.Provider) (name, file string) {
	t.Helper()
	for _, e := range p.Events {
		found, err := filepath.Glob(fmt.Sprintf("../../pkg/provider/%s/samples/%s.*json", p.Name, provider.Token(e.Name)))
		if err == nil && len(found) > 0 {
			return e.Name, found[0]
		}
	}
	t.Fatalf("provider %s has no sample", p.Name)
	return "", ""
}

func TestSend(t *testing.T) {
	const urlToken = "t0ken-in-path"
	data := t.TempDir()
	addr := startReceiver(t, data, urlToken)
	for i, p := range all.Providers() {
		event, file := sampleFile(t, p)
		args := []string{"--data-dir", data, "--http-addr", addr, "--provider", p.Name, "--event", event, file}
		if i == 0 {
			out, errs := send(t, 1, args...)
			if !strings.Contains(out, "unknown_provider") || !strings.Contains(errs, "404") {
				t.Errorf("%s without the token: %s%s", p.Name, out, errs)
			}
			args = append(args, "--token", urlToken)
		}
		out, errs := send(t, 0, args...)
		if !strings.HasPrefix(out, "200 OK\n") || !strings.Contains(out, `"status":"accepted"`) || errs != "" {
			t.Errorf("%s: %s%s", p.Name, out, errs)
		}
		out, _ = send(t, 0, append(args, "--json")...)
		var answer struct {
			Status int
			Answer struct{ Status string }
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Status != http.StatusOK || answer.Answer.Status != "duplicate" {
			t.Errorf("%s: %s, %v", p.Name, out, err)
		}
		out, errs = send(t, 1, append(args, "--secret", "wrong")...)
		if !strings.Contains(out, "bad_signature") || !strings.Contains(errs, fmt.Sprint(p.RefusedStatus)) {
			t.Errorf("%s with a wrong secret: %s%s", p.Name, out, errs)
		}
	}
}

// TestSendSettings takes the secret, the token and the address from the settings.
func TestSendSettings(t *testing.T) {
	const urlToken = "t0ken-in-path"
	data := t.TempDir()
	addr := startReceiver(t, data, urlToken)
	p := all.Providers()[0]
	secret, err := DevSecret(data, p.Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("VERDICT_SECRET_"+strings.ToUpper(p.Name), secret.Reveal()+",older")
	t.Setenv("VERDICT_URL_TOKEN_"+strings.ToUpper(p.Name), urlToken)
	event, file := sampleFile(t, p)
	send(t, 0, "--data-dir", t.TempDir(), "--url", "http://"+addr+"/", "--provider", p.Name, "--event", event, file)

	payload, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = payload.Close() }()
	stdin := os.Stdin
	os.Stdin = payload
	defer func() { os.Stdin = stdin }()
	out, _ := send(t, 0, "--url", "http://"+addr, "--provider", p.Name, "--event", event, "-")
	if !strings.Contains(out, "duplicate") {
		t.Errorf("standard input: %s", out)
	}
}

func TestSendErrors(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	text := write(t, "this is not JSON")
	p := all.Providers()[0]
	event, file := sampleFile(t, p)
	valid := func(more ...string) []string {
		return append([]string{"--data-dir", t.TempDir(), "--provider", p.Name, "--event", event, file}, more...)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--provider", "nobody", "--event", event, file}, []string{"nobody", p.Name}},
		{[]string{"--provider", p.Name, "--event", "no such event", file}, []string{"no such event", event}},
		{valid(), []string{"--secret", "VERDICT_SECRET_" + strings.ToUpper(p.Name), "--data-dir"}},
		{valid("--secret", "s", "--url", "ftp://x"), []string{"--url"}},
		{valid("--secret", "s", "--token", "t0ken", "--url", "http://"+addr), []string{addr, "running"}},
		{[]string{"--provider", p.Name, "--event", event, "--secret", "s", "missing.json"}, []string{"missing.json"}},
		{[]string{"--provider", "treezor", "--event", "user.kycreview", "--secret", "s", text}, []string{"sign"}},
	} {
		_, errs := send(t, 1, c.args...)
		for _, want := range c.want {
			if !strings.Contains(errs, want) {
				t.Errorf("%v: %q does not say %q", c.args, errs, want)
			}
		}
		if strings.Contains(errs, "t0ken") {
			t.Errorf("%v: %q shows the token", c.args, errs)
		}
	}
}
