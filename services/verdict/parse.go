package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// parser reads the text of one setting into its field. Its errors say what to
// give instead, and hold the text only where the setting is not secret.
type parser = func(c *Config, p *ProviderConfig, text string) error

const (
	masterKeySize = 32

	leastRetention = time.Hour // Keys are made per hour, so nothing can be forgotten sooner.

	// The broker refuses a shorter window, and a longer one costs memory for
	// every message in it.
	leastDeduplicationWindow = 100 * time.Millisecond
	mostDeduplicationWindow  = time.Hour
)

var (
	instancePattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	// urlTokenPattern admits what stands in a path without escaping.
	urlTokenPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)
)

func text(field func(*Config) *string) parser {
	return func(c *Config, _ *ProviderConfig, text string) error {
		*field(c) = text
		return nil
	}
}

func secret(field func(*Config) *Secret) parser {
	return func(c *Config, _ *ProviderConfig, text string) error {
		*field(c) = NewSecret(text)
		return nil
	}
}

func oneOf(field func(*Config) *string, words ...string) parser {
	return func(c *Config, _ *ProviderConfig, text string) error {
		if !slices.Contains(words, text) {
			return fmt.Errorf("must be %s, not %q", strings.Join(words, " or "), text)
		}
		*field(c) = text
		return nil
	}
}

func boolean(field func(*Config) *bool) parser {
	return func(c *Config, _ *ProviderConfig, text string) error {
		value, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("must be true or false, not %q", text)
		}
		*field(c) = value
		return nil
	}
}

func retention(field func(*Config, *ProviderConfig) *time.Duration) parser {
	return func(c *Config, p *ProviderConfig, text string) error {
		value, err := time.ParseDuration(text)
		if err != nil || value < leastRetention {
			return fmt.Errorf("must be a duration of at least %v such as 168h, not %q", leastRetention, text)
		}
		*field(c, p) = value
		return nil
	}
}

func age(field func(*Config) *time.Duration) parser {
	return func(c *Config, _ *ProviderConfig, text string) error {
		value, err := time.ParseDuration(text)
		if err != nil || value <= 0 {
			return fmt.Errorf("must be a duration such as 12h, not %q", text)
		}
		*field(c) = value
		return nil
	}
}

func size(field func(*Config) *uint64) parser {
	return func(c *Config, _ *ProviderConfig, text string) error {
		value, err := humanize.ParseBytes(text)
		if err != nil {
			return fmt.Errorf("must be a size such as 512MiB or 2GiB, not %q", text)
		}
		*field(c) = value
		return nil
	}
}

func listenAddr(field func(*Config) *string) parser {
	return func(c *Config, _ *ProviderConfig, text string) error {
		_, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return fmt.Errorf("must be an address with a port such as 127.0.0.1:8080, not %q", text)
		}
		*field(c) = text
		return nil
	}
}

func httpURL(field func(*Config) *string) parser {
	return func(c *Config, _ *ProviderConfig, text string) error {
		if err := checkURL(text, "http", "https"); err != nil {
			return err
		}
		if parsed, err := url.Parse(text); err != nil || parsed.User != nil {
			return errors.New("must not hold a user or password: give credentials as OTEL_EXPORTER_OTLP_HEADERS")
		}
		*field(c) = text
		return nil
	}
}

// checkURL accepts a URL with a host and one of the schemes. Its error does
// not hold the URL, nor does it wrap the parser's, which would.
func checkURL(text string, schemes ...string) error {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || !slices.Contains(schemes, parsed.Scheme) {
		return fmt.Errorf("must be a URL that begins with %s:// and names a host", strings.Join(schemes, ":// or "))
	}
	return nil
}

func masterKey(c *Config, _ *ProviderConfig, text string) error {
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(key) != masterKeySize {
		return fmt.Errorf("must be %d random bytes as base64: make one with `openssl rand -base64 %d`", masterKeySize, masterKeySize)
	}
	c.MasterKey = NewSecret(string(key))
	return nil
}

func databaseURL(c *Config, _ *ProviderConfig, text string) error {
	if err := checkURL(text, "postgres", "postgresql"); err != nil && !isSocketURL(text) {
		return fmt.Errorf("%w, or empty for SQLite", err)
	}
	c.DatabaseURL = NewSecret(text)
	return nil
}

// isSocketURL tells whether the URL names the directory of a socket on this
// machine, which PostgreSQL has in the query.
func isSocketURL(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && parsed.Scheme == "postgres" && parsed.Query().Get("host") != ""
}

func natsURL(c *Config, _ *ProviderConfig, text string) error {
	for server := range strings.SplitSeq(text, ",") {
		if err := checkURL(strings.TrimSpace(server), "nats", "tls", "ws", "wss"); err != nil {
			return fmt.Errorf("every server %w", err)
		}
	}
	c.NATSURL = NewSecret(text)
	return nil
}

func natsAddr(c *Config, p *ProviderConfig, text string) error {
	if text == "off" {
		return nil
	}
	if err := listenAddr(func(c *Config) *string { return &c.NATSAddr })(c, p, text); err != nil {
		return fmt.Errorf("%w (or \"off\")", err)
	}
	return nil
}

func replicas(c *Config, _ *ProviderConfig, text string) error {
	value, err := strconv.Atoi(text)
	if err != nil || !slices.Contains([]int{1, 3, 5}, value) {
		return fmt.Errorf("must be 1, 3 or 5, not %q", text)
	}
	c.Replicas = value
	return nil
}

func instance(c *Config, _ *ProviderConfig, text string) error {
	if !instancePattern.MatchString(text) {
		return fmt.Errorf("must be 1 to 32 lower-case letters, digits and dashes, not %q", text)
	}
	c.Instance = text
	return nil
}

func logLevel(c *Config, _ *ProviderConfig, text string) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return fmt.Errorf("must be debug, info, warn or error, not %q", text)
	}
	c.LogLevel = level
	return nil
}

func deduplicationWindow(c *Config, _ *ProviderConfig, text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value < leastDeduplicationWindow || value > mostDeduplicationWindow {
		return fmt.Errorf("must be a duration between %v and %v such as 2m, not %q", leastDeduplicationWindow, mostDeduplicationWindow, text)
	}
	c.DeduplicationWindow = value
	return nil
}

func deadlines(c *Config, _ *ProviderConfig, text string) error {
	all := map[string]time.Duration{}
	for entry := range strings.SplitSeq(text, ",") {
		name, after, _ := strings.Cut(strings.TrimSpace(entry), "=")
		duration, err := time.ParseDuration(after)
		if err != nil || duration <= 0 {
			return fmt.Errorf("must be a list such as provider/kind=48h, %q is not part of one", entry)
		}
		provider, kind, _ := strings.Cut(name, "/")
		known := c.Provider(provider)
		if known == nil || !slices.Contains(known.Kinds, kind) {
			return fmt.Errorf("names %q, which is not a known provider/kind", name)
		}
		if _, twice := all[name]; twice {
			return fmt.Errorf("names %q twice", name)
		}
		all[name] = duration
	}
	c.Deadlines = all
	return nil
}

func providerSecrets(_ *Config, p *ProviderConfig, text string) error {
	var all []Secret
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			return errors.New("must be secrets separated by single commas, one of them is empty")
		}
		all = append(all, NewSecret(part))
	}
	p.Secrets = all
	return nil
}

func urlToken(_ *Config, p *ProviderConfig, text string) error {
	if !urlTokenPattern.MatchString(text) {
		return errors.New("must be 1 to 128 letters, digits and any of . _ ~ -")
	}
	p.URLToken = NewSecret(text)
	return nil
}

func unsigned(_ *Config, p *ProviderConfig, text string) error {
	policy := Unsigned(text)
	if !slices.Contains([]Unsigned{UnsignedHold, UnsignedToken, UnsignedReject}, policy) {
		return fmt.Errorf("must be hold, token or reject, not %q", text)
	}
	p.Unsigned = policy
	return nil
}
