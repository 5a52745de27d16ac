package bus

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestNobodyConnectsWithoutCredentials(t *testing.T) {
	s := startTestServer(t, serverConfig(t.TempDir(), "127.0.0.1:0"))
	for name, tt := range map[string]struct {
		options []nats.Option
		want    error
	}{
		"nothing":        {nil, nats.ErrAuthorization},
		"wrong password": {[]nats.Option{nats.UserInfo("admin", "wrong")}, nats.ErrAuthorization},
		"reader":         {[]nats.Option{nats.UserInfo("reader", "")}, nats.ErrAuthorization},
		"admin":          {[]nats.Option{nats.UserInfo("admin", s.password)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := nats.Connect("nats://"+s.Addr(), tt.options...)
			if !errors.Is(err, tt.want) {
				t.Fatalf("connect: %v, want %v", err, tt.want)
			}
			if err == nil {
				conn.Close()
			}
		})
	}
}

func TestAReaderInDevelopmentReadsVerdictsAndNothingElse(t *testing.T) {
	config := serverConfig(t.TempDir(), "127.0.0.1:0")
	config.Dev = true
	s := startTestServer(t, config)
	b := connectTestBus(t, Config{Server: s})
	if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	violations := make(chan error, 10)
	reader, err := nats.Connect("nats://"+s.Addr(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	verdicts, err := reader.SubscribeSync("kyc.v1.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Flush(); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "kyc.v1.idenfy.id_verification.approved", "idenfy/id_verification/1@1", "{}")
	if _, err := verdicts.NextMsg(10 * time.Second); err != nil {
		t.Fatalf("read a verdict: %v", err)
	}

	for _, subject := range []string{">", "kyc.>", "kyc.webhook.>", "kyc.held.idenfy", "kyc.dead.*", "$JS.>", "$SYS.>", "_INBOX.>", "kyc.*.idenfy.id_verification.approved"} {
		if _, err := reader.Subscribe(subject, func(*nats.Msg) { t.Errorf("got a message on %s", subject) }); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, violations); !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("subscribe %s: %v", subject, err)
		}
	}
	for _, subject := range []string{"kyc.v1.idenfy.id_verification.rejected", "kyc.webhook.idenfy.other", "$JS.API.INFO", "$JS.API.STREAM.NAMES", "_INBOX.x"} {
		if err := reader.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, violations); !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("publish %s: %v", subject, err)
		}
	}
	state, err := b.StreamState(t.Context(), Verifications)
	if err != nil || state.Messages != 1 {
		t.Errorf("the stream holds %d messages, %v; want the administrator's alone", state.Messages, err)
	}
}

func TestThePasswordIsMadeOnceForTheOwnerAlone(t *testing.T) {
	config := serverConfig(t.TempDir(), "off")
	first := startTestServer(t, config)
	first.Shutdown()
	info, err := os.Stat(config.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the password file has mode %o", info.Mode().Perm())
	}
	if len(first.password) < 32 {
		t.Errorf("a password of %d characters", len(first.password))
	}
	second := startTestServer(t, config)
	if second.password != first.password {
		t.Error("a restart changed the password")
	}
	left, err := filepath.Glob(config.PasswordFile + "?*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAServerThatCannotStartSaysWhatToDo(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	used := serverConfig(t.TempDir(), "off")
	startTestServer(t, used)
	empty := serverConfig(t.TempDir(), "off")
	if err := os.WriteFile(empty.PasswordFile, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := serverConfig(t.TempDir(), "off")
	if err := os.MkdirAll(broken.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken.Dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config ServerConfig
		want   string
	}{
		"port busy":        {serverConfig(t.TempDir(), busy.Addr().String()), "stop what uses the port"},
		"directory in use": {used, "another process uses the streams"},
		"no address":       {serverConfig(t.TempDir(), "nowhere"), `neither host:port nor "off"`},
		"no port":          {serverConfig(t.TempDir(), "127.0.0.1:nats"), "no numeric port"},
		"empty password":   {empty, "remove the file"},
		"broken store":     {broken, "JetStream"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := StartServer(tt.config)
			if err == nil {
				s.Shutdown()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
}

func TestAServerThatIsOffDoesNotListen(t *testing.T) {
	s := startTestServer(t, serverConfig(t.TempDir(), "off"))
	if addr := s.Addr(); addr != "" {
		t.Errorf("it listens on %s", addr)
	}
	b := connectTestBus(t, Config{Server: s})
	if !b.Connected() {
		t.Error("this process is not connected")
	}
	if got := b.MaxPayload(); got != maxPayload {
		t.Errorf("largest message: %d", got)
	}
}

func TestEveryWriteIsSynced(t *testing.T) {
	s := startTestServer(t, serverConfig(t.TempDir(), "off"))
	jetstream := s.inner.JetStreamConfig()
	if jetstream == nil || !jetstream.SyncAlways {
		t.Fatalf("JetStream runs with %+v", jetstream)
	}
}

func TestTheServerLogCannotBeFlooded(t *testing.T) {
	var out bytes.Buffer
	log := newServerLog(slog.New(slog.NewTextHandler(&out, nil)))
	const attempts = 1000
	for range attempts {
		log.Errorf("authentication error from %s", "a stranger")
		log.Noticef("never above debug level")
	}
	if lines := strings.Count(out.String(), "\n"); lines == 0 || lines > 2*serverLinesAtOnce {
		t.Errorf("%d lines for %d attempts", lines, attempts)
	}
	if strings.Contains(out.String(), "never above") {
		t.Error("a notice was logged")
	}
}

func TestConnectErrorsKeepThePassword(t *testing.T) {
	s := startTestServer(t, serverConfig(t.TempDir(), "127.0.0.1:0"))
	const password = "hunter2-secret"
	for name, tt := range map[string]struct {
		url  string
		want error
	}{
		"refused":     {"nats://admin:" + password + "@" + s.Addr(), nats.ErrAuthorization},
		"unreachable": {"nats://admin:" + password + "@127.0.0.1:1", ErrUnavailable},
		"not a url":   {"nats://admin:" + password + "@[::bad", nil},
		"no host":     {password, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := Connect(ctx, Config{URL: tt.url, Logger: quiet})
			if err == nil || (tt.want != nil && !errors.Is(err, tt.want)) {
				t.Fatalf("error: %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestConnectWaitsForTheBroker(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := serverConfig(t.TempDir(), probe.Addr().String())
	password, err := adminPassword(config.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	// The port takes connections and says nothing until the first attempt has come.
	var first sync.WaitGroup
	first.Go(func() {
		if conn, err := probe.Accept(); err == nil {
			conn.Close()
		}
		probe.Close()
	})
	connected := make(chan error, 1)
	go func() {
		b, err := Connect(t.Context(), Config{URL: "nats://admin:" + password + "@" + config.Addr, Logger: quiet})
		if err == nil {
			b.Close()
		}
		connected <- err
	}()
	first.Wait()
	startTestServer(t, config)
	if err := receive(t, connected); err != nil {
		t.Fatal(err)
	}
}

func TestAPasswordThatCannotBeKeptIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing", "nats-admin-password")
	if _, err := adminPassword(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error: %v", err)
	}
}
