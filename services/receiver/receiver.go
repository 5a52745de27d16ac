// Package receiver takes the webhooks of the providers and makes them durable.
//
// It promises:
//   - A 200 for an accepted or held webhook is written only after the journal has it on disk.
//     What cannot be made durable within the provider's budget gets a 503, after which the
//     provider sends it again; the id of a webhook is the same each time.
//   - What a caller without a secret can make it hold in memory, and write, is bounded per
//     provider, so that he can neither exhaust it nor keep other providers' webhooks out.
//   - No log line, metric, span, answer or recorded refusal holds a body, a secret or a URL token.
//
// It knows no provider by name and no state of a verification.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/capacity"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/spool"
)

// Config is what a receiver needs.
type Config struct {
	// Addr is where webhooks and health checks are served, as host:port. It is not used where
	// Listener is set, which Run closes.
	Addr     string
	Listener net.Listener
	// Instance is the name of the installation in the source of every event.
	Instance string
	// Providers are those whose webhooks are taken; others are unknown.
	Providers []Served
	// Open opens what is on this machine. The receiver listens before, and holds requests within
	// their budget meanwhile. It is called again for as long as it returns bus.ErrUnavailable;
	// any other error ends Run. What it returned belongs to the caller, who closes it after
	// Run has returned.
	Open func(context.Context) (Stores, error)
	// Connect waits for the broker. It is called again, and what it returns belongs to the
	// caller, as with Open.
	Connect func(context.Context) (*bus.Bus, error)
	// Spool says where a webhook is durable before it is answered; empty means SpoolOff.
	Spool SpoolMode
	// Aside is the directory for webhooks of the spool that can never be published.
	Aside string
	// DeduplicationWindow is how long the stream remembers ids, and the receiver with it.
	DeduplicationWindow time.Duration
	// Logger gets what the receiver has to say; nil means slog.Default.
	Logger *slog.Logger
}

// Served is a provider whose webhooks are taken.
type Served struct {
	Provider provider.Provider
	// Secrets are the active ones, newest first; at least one.
	Secrets []string
	// URLToken must stand in the path where it is set, as /webhooks/<provider>/~<token>.
	URLToken string
	// Unsigned is the policy for webhooks that the provider does not sign; empty means Hold.
	Unsigned UnsignedPolicy
}

// UnsignedPolicy says what becomes of a webhook that its provider does not sign.
type UnsignedPolicy string

// The policies.
const (
	Hold   UnsignedPolicy = "hold"   // it waits for a human
	Token  UnsignedPolicy = "token"  // it is accepted where the URL token vouches for it, else held
	Reject UnsignedPolicy = "reject" // it is refused like any other without a signature
)

// Stores are what the receiver writes to on this machine.
type Stores struct {
	Keys *seal.Keyring
	// Spool may be nil with SpoolOff. One that is there then is emptied.
	Spool *spool.Spool
	// Disk must have room for a webhook to be taken; nil is no such condition.
	Disk *capacity.Disk
}

// Run serves webhooks until ctx ends. Then it accepts no more, finishes the requests that are
// under way within four seconds, and returns nil. Errors: a configuration that makes no sense,
// an address that cannot be listened on, a broker whose messages are too small, and what
// Config.Open returned.
func Run(ctx context.Context, config Config) error {
	if config.Spool == "" {
		config.Spool = SpoolOff
	}
	if err := config.validate(); err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	r, err := newReceiver(config)
	if err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	listener := config.Listener
	if listener == nil {
		if listener, err = net.Listen("tcp", config.Addr); err != nil {
			return fmt.Errorf("receiver: %w", err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	// What is accepted by the last request is published too.
	publishing, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return r.openStores(ctx) })
	group.Go(func() error { return r.connect(ctx) })
	group.Go(func() error { return r.publish(publishing) })
	group.Go(func() error {
		defer stop()
		err := r.serve(ctx, listener)
		r.drain()
		return err
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	return nil
}

var instancePattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (c *Config) validate() error {
	var all []error
	if !instancePattern.MatchString(c.Instance) {
		all = append(all, fmt.Errorf("instance %q is not 1 to 32 lower-case letters, digits and dashes", c.Instance))
	}
	if c.Open == nil || c.Connect == nil {
		all = append(all, errors.New("nothing opens the stores, or finds the broker"))
	}
	switch c.Spool {
	case SpoolAlways, SpoolOff, SpoolOnOutage:
	default:
		all = append(all, fmt.Errorf("the spool has the unknown mode %q", c.Spool))
	}
	seen := map[string]bool{}
	for _, s := range c.Providers {
		if len(s.Secrets) == 0 || s.Provider.Verify == nil || s.Provider.Budget <= 0 {
			all = append(all, fmt.Errorf("provider %q has no secret, no verification or no budget", s.Provider.Name))
		}
		if seen[s.Provider.Name] {
			all = append(all, fmt.Errorf("provider %q is served twice", s.Provider.Name))
		}
		seen[s.Provider.Name] = true
		switch s.Unsigned {
		case "", Hold, Token, Reject:
		default:
			all = append(all, fmt.Errorf("provider %q has the unknown policy %q for unsigned webhooks", s.Provider.Name, s.Unsigned))
		}
	}
	return errors.Join(all...)
}
