package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

const (
	adminUser = "admin"
	// readerUser is who a connection without credentials is in development mode.
	readerUser = "reader"
	// readableSubjects is all that the reader may subscribe to.
	readableSubjects = "kyc.v1.>"
	// addrOff stands for a server that no other process can reach.
	addrOff = "off"
	// maxPayload leaves a body of the receiver's limit room for its seal and headers.
	maxPayload = 4 << 20
	// maxStore is above what any disk holds. The server's own limit would be a share of what is free when it starts, also where that is little
	// because something else has filled the disk for a while.
	maxStore = 1 << 60
	// readyTimeout bounds the wait for the listener, after the streams have been recovered.
	readyTimeout = 10 * time.Second
)

// AdminURL is where a server on that address is, for who may do everything.
func AdminURL(addr, password string) string {
	return "nats://" + adminUser + ":" + password + "@" + addr
}

// ServerConfig describes the in-process server.
type ServerConfig struct {
	// Dir is where the streams live. One server at a time may use it.
	Dir string
	// Addr is host:port, or "off": then only this process can connect. Port 0 lets the system choose.
	Addr string
	// PasswordFile holds the password of the user `admin`. Where it does not exist it is made, readable by its owner alone.
	PasswordFile string
	// Dev lets connections without credentials subscribe to `kyc.v1.>` and do nothing else. Without it they are refused.
	Dev bool
	// Logger gets the server's warnings and errors, and the rest at debug level; nil means slog.Default.
	Logger *slog.Logger
}

// Server is a running in-process server. Every write to its streams is on disk before it is acked.
type Server struct {
	inner    *natsserver.Server
	lock     *dirLock
	password string
	listens  bool
	healer   *healer
}

// StartServer starts a server and returns once it takes connections and has recovered its streams.
func StartServer(config ServerConfig) (*Server, error) {
	s, err := startServer(config)
	if err != nil {
		return nil, fmt.Errorf("start the in-process nats-server: %w", err)
	}
	return s, nil
}

func startServer(config ServerConfig) (_ *Server, err error) {
	logger := config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	options, err := config.options()
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(config.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.release()
		}
	}()
	password, err := adminPassword(config.PasswordFile)
	if err != nil {
		return nil, err
	}
	if err := config.authorize(options, password); err != nil {
		return nil, err
	}
	inner, err := natsserver.NewServer(options)
	if err != nil {
		return nil, err
	}
	log := newServerLog(logger)
	inner.SetLoggerV2(log, false, false, false)
	inner.Start()
	reason := log.fatal()
	if reason == "" && !inner.ReadyForConnections(readyTimeout) {
		reason = "does not listen"
	}
	if reason != "" {
		inner.Shutdown()
		inner.WaitForShutdown()
		return nil, errors.New(reason)
	}
	return &Server{
		inner: inner, lock: lock, password: password, listens: !options.DontListen,
		healer: startHealer(inner, options, log.closed, logger),
	}, nil
}

func (c ServerConfig) options() (*natsserver.Options, error) {
	options := &natsserver.Options{
		ServerName: "verdict", NoSigs: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: c.Dir, SyncAlways: true, MaxPayload: maxPayload, JetStreamMaxStore: maxStore,
	}
	if c.Addr == addrOff {
		options.DontListen = true
		return options, nil
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("the address %q is neither host:port nor %q", c.Addr, addrOff)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the address %q has no numeric port", c.Addr)
	}
	// The server itself would only log that it cannot listen.
	probe, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; stop what uses the port, or choose another address, or %q", c.Addr, err, addrOff)
	}
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.Addr, err)
	}
	options.Host, options.Port = host, int(number)
	if number == 0 {
		options.Port = natsserver.RANDOM_PORT
	}
	return options, nil
}

// authorize gives the administrator everything, and in development mode everybody else one tree to listen to.
func (c ServerConfig) authorize(options *natsserver.Options, password string) error {
	options.Users = []*natsserver.User{{Username: adminUser, Password: password}}
	if !c.Dev {
		return nil
	}
	unknown, err := randomPassword()
	if err != nil {
		return err
	}
	options.Users = append(options.Users, &natsserver.User{
		Username: readerUser, Password: unknown,
		Permissions: &natsserver.Permissions{
			Publish:   &natsserver.SubjectPermission{Deny: []string{">"}},
			Subscribe: &natsserver.SubjectPermission{Allow: []string{readableSubjects}},
		},
	})
	options.NoAuthUser = readerUser
	return nil
}

// Shutdown ends all connections and returns once the streams are closed and the directory may be used by another server.
func (s *Server) Shutdown() {
	s.healer.stop()
	s.inner.Shutdown()
	s.inner.WaitForShutdown()
	s.lock.release()
}

// Addr is the host:port where the server listens, empty where it does not.
func (s *Server) Addr() string {
	if !s.listens {
		return ""
	}
	return s.inner.Addr().String()
}

// InProcessConn connects this process to the server without a network.
func (s *Server) InProcessConn() (net.Conn, error) { return s.inner.InProcessConn() }
