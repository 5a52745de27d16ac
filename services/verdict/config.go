package main

import (
	"log/slog"
	"time"

	"github.com/verdict-stream/verdict/services/receiver"
)

// Config is everything that can be set from outside. Its fields are described,
// named and given their defaults by the table settings, one row each.
type Config struct {
	HTTPAddr    string
	APIAddr     string
	MetricsAddr string

	DataDir string
	KeyDir  string

	AcceptLostKeys bool
	MasterKey      Secret // The 32 decoded bytes.
	DatabaseURL    Secret // Secret because it may hold a password.

	NATSURL  Secret // Secret because it may hold a password.
	NATSAddr string // Empty where the in-process server does not listen.
	Replicas int

	Spool     string        // One of the modes, empty for the one that fits the replicas.
	SpoolMark uint64        // Bytes.
	SpoolAge  time.Duration // Of the oldest webhook that waits in the spool.
	DiskMark  uint64        // Free bytes.

	Instance   string
	AdminToken Secret
	Dev        bool

	Retention           time.Duration
	DeduplicationWindow time.Duration
	Deadlines           map[string]time.Duration // By provider and kind, as in "acme/interview".

	LogLevel     slog.Level
	LogFormat    string
	OTLPEndpoint string

	// Providers are all providers known to the binary, in the order in which
	// they were given, whether they have a secret or not.
	Providers []ProviderConfig

	values   []Value
	problems []problem
}

// ProviderConfig is what can be set for one provider.
type ProviderConfig struct {
	ProviderInfo
	Secrets   []Secret // Newest first; none means that the provider is not served.
	URLToken  Secret
	Retention time.Duration
	Unsigned  Unsigned
}

// ProviderInfo is what configuration needs to know of a provider; every
// setting of the provider derives from it.
type ProviderInfo struct {
	Name          string
	Kinds         []string // The kinds for which a deadline can be set.
	MayBeUnsigned bool     // Whether it sends deliveries that it does not sign.
}

// Unsigned says what becomes of a delivery that the provider does not sign.
type Unsigned string

// The policies for unsigned deliveries.
const (
	UnsignedHold   Unsigned = "hold"
	UnsignedToken  Unsigned = "token"
	UnsignedReject Unsigned = "reject"
)

// Value is one setting as it was resolved, for people to look at.
type Value struct {
	Name   string `json:"name"`   // The environment variable.
	Text   string `json:"value"`  // Redacted if the setting is secret.
	Source string `json:"source"` // Where the value was found.
}

// problem is what is wrong with one setting.
type problem struct {
	name string
	err  error
}

// spoolMode is the mode that is set, or the one that fits the replicas: where
// several servers hold a webhook, the spool of one machine is the lesser proof.
func (c *Config) spoolMode() receiver.SpoolMode {
	switch {
	case c.Spool != "":
		return receiver.SpoolMode(c.Spool)
	case c.Replicas > 1:
		return receiver.SpoolOff
	default:
		return receiver.SpoolAlways
	}
}

// Values returns all settings in the order of the table, secrets redacted.
func (c *Config) Values() []Value { return c.values }

// Provider returns what is set for the provider of that name, nil if there is
// no such provider.
func (c *Config) Provider(name string) *ProviderConfig {
	for i := range c.Providers {
		if c.Providers[i].Name == name {
			return &c.Providers[i]
		}
	}
	return nil
}

// Served tells whether deliveries of the provider can be verified at all.
func (p *ProviderConfig) Served() bool { return len(p.Secrets) > 0 }
