package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// operator is somebody at a command line who works on a Verdict that runs, over its broker.
type operator struct {
	cfg       *Config
	providers []provider.Provider
	bus       *bus.Bus
	// actor is who it is, for the audit; holder is this process, for the book of runs.
	actor, holder string
}

// operatorPatience is how long an operator waits for the broker to answer.
const operatorPatience = 3 * time.Second

// openOperator connects to the broker of the installation that the settings name: the one at
// VERDICT_NATS_URL, or the one that runs in the process with this data directory. Close it.
func openOperator(ctx context.Context, cfg *Config, providers []provider.Provider) (*operator, error) {
	if err := cfg.Validate(""); err != nil {
		return nil, fmt.Errorf("these settings do not work:\n%w", err)
	}
	address, where, err := cfg.brokerAddress()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, operatorPatience)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: address, Name: "verdict-operator", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("no broker at %s: is Verdict running with these settings? Name its data directory with --data-dir, or its broker with --nats-url: %w", where, err)
	}
	actor := actorName()
	return &operator{
		cfg: cfg, providers: withDeadlines(providers, cfg.Deadlines), bus: b, actor: actor, holder: fmt.Sprintf("%s:%d", actor, os.Getpid()),
	}, nil
}

func (o *operator) Close() { o.bus.Close() }

// attend connects an operator for as long as a command runs. The context ends when he interrupts, and a second interrupt ends the
// process at once; stop closes everything.
func attend(flags *settingFlags, providers []provider.Provider) (ctx context.Context, o *operator, stop func(), err error) {
	ctx, interrupted := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, interrupted)
	if o, err = openOperator(ctx, flags.load(), providers); err != nil {
		interrupted()
		return nil, nil, nil, err
	}
	return ctx, o, func() {
		o.Close()
		interrupted()
	}, nil
}

// audit notes what the operator changes.
func (o *operator) audit(ctx context.Context, e bus.AuditEntry) error {
	e.Actor, e.Via = o.actor, "cli"
	return o.bus.Audit(ctx, e)
}

// brokerAddress returns the address of the broker with its password, and how to call it in messages.
func (c *Config) brokerAddress() (address, where string, err error) {
	if c.NATSURL.IsSet() {
		return c.NATSURL.Reveal(), "the address of VERDICT_NATS_URL", nil
	}
	if c.NATSAddr == "" {
		return "", "", errors.New("the in-process broker listens nowhere (VERDICT_NATS_ADDR=off), so nothing can be done from here: use the API, or give it an address on loopback")
	}
	file := filepath.Join(c.DataDir, "nats-admin-password")
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("there is no Verdict in the data directory %s: name it with --data-dir, or its broker with --nats-url", c.DataDir)
	}
	if err != nil {
		return "", "", fmt.Errorf("read the broker's password: %w", err)
	}
	return bus.AdminURL(c.NATSAddr, strings.TrimSpace(string(content))), c.NATSAddr, nil
}

// actorName says who runs this process.
func actorName() string {
	name, host := "unknown", "unknown"
	if known, err := user.Current(); err == nil {
		name = known.Username
	}
	if known, err := os.Hostname(); err == nil {
		host = known
	}
	return name + "@" + host
}
