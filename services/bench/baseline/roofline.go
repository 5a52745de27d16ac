// Package baseline holds what Verdict is compared with: the least that does a part of its
// work. It uses the broker's client directly, so that it stays what it is whatever becomes of
// the rest of Verdict. Only the server is the same, with the same settings.
package baseline

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/bus"
)

const (
	adminUser = "admin"
	// stream has the settings of the one that keeps deliveries.
	stream  = "ROOFLINE"
	subject = "roofline.webhook"
	maxAge  = 169 * time.Hour
	window  = 2 * time.Minute
	// passwordFile is where a server keeps its password, below the directory of its data.
	passwordFile = "nats-admin-password"
	stopTimeout  = 3 * time.Second
)

// StartServer starts the server as Verdict does, below the directory.
func StartServer(dir, addr string) (*bus.Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the server: %w", err)
	}
	return bus.StartServer(bus.ServerConfig{Dir: filepath.Join(dir, "nats"), Addr: addr, PasswordFile: filepath.Join(dir, passwordFile)})
}

// Password is what the server below the directory wants to be told.
func Password(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, passwordFile))
	if err != nil {
		return "", fmt.Errorf("read the server's password: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// RooflineConfig describes a roofline.
type RooflineConfig struct {
	Dir, Addr string
	// Header holds the signature, an HMAC-SHA256 of the body in hexadecimal.
	Header, Prefix, Secret string
}

// Roofline serves until ctx ends: it reads a body, checks one HMAC, publishes the body and
// answers once the server has acked it, which is when it is on disk.
func Roofline(ctx context.Context, config RooflineConfig) error {
	server, err := StartServer(config.Dir, "off")
	if err != nil {
		return err
	}
	defer server.Shutdown()
	password, err := Password(config.Dir)
	if err != nil {
		return err
	}
	conn, err := nats.Connect("", nats.InProcessServer(server), nats.UserInfo(adminUser, password))
	if err != nil {
		return fmt.Errorf("connect to the server: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("connect to the server: %w", err)
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: stream, Subjects: []string{subject}, Storage: jetstream.FileStorage, Replicas: 1,
		MaxAge: maxAge, Discard: jetstream.DiscardNew, Duplicates: window, AllowAtomicPublish: true,
	})
	if err != nil {
		return fmt.Errorf("make the stream: %w", err)
	}
	return serve(ctx, config, js)
}

func serve(ctx context.Context, config RooflineConfig, js jetstream.JetStream) error {
	listener, err := net.Listen("tcp", config.Addr)
	if err != nil {
		return fmt.Errorf("serve the roofline: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /webhooks/", func(w http.ResponseWriter, r *http.Request) { take(w, r, config, js) })
	web := &http.Server{Handler: mux, ReadHeaderTimeout: stopTimeout}
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = web.Shutdown(ctx)
	})
	defer stop()
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the roofline: %w", err)
	}
	return nil
}

func take(w http.ResponseWriter, r *http.Request, config RooflineConfig, js jetstream.JetStream) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(config.Secret))
	mac.Write(body)
	sum := mac.Sum(nil)
	given, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get(config.Header), config.Prefix))
	if err != nil || !hmac.Equal(sum, given) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	msg := &nats.Msg{Subject: subject, Header: nats.Header{jetstream.MsgIDHeader: {hex.EncodeToString(sum)}}, Data: body}
	if _, err := js.PublishMsg(r.Context(), msg); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"status":"accepted"}`)
}
