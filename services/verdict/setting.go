package main

import (
	"strings"
	"time"
)

const (
	// envPrefix stands before every setting's name in the environment.
	envPrefix = "VERDICT_"
	// perProvider stands in a name for the name of each provider.
	perProvider = "<PROVIDER>"
)

// setting is one row of the table from which flags, environment variables,
// YAML keys, `verdict config` and the document of all settings derive.
type setting struct {
	name     string // In the environment, without the prefix.
	doc      string // One sentence.
	fallback string // The default; <NAME> in it stands for the value of an earlier setting.
	secret   bool
	toggle   bool // Whether the flag stands for "true" when it has no value.

	// onlyUnsigned restricts a setting to providers that may send unsigned
	// deliveries.
	onlyUnsigned bool

	// set parses text, which is never empty, into its field. The provider is
	// nil unless the name holds perProvider.
	set func(c *Config, p *ProviderConfig, text string) error
}

// settings has a row for every setting; a row may refer to earlier ones.
var settings = []setting{
	{
		name: "HTTP_ADDR", fallback: "127.0.0.1:8080", set: listenAddr(func(c *Config) *string { return &c.HTTPAddr }),
		doc: "Address on which webhooks and health checks are served.",
	},
	{
		name: "API_ADDR", fallback: "127.0.0.1:8081", set: listenAddr(func(c *Config) *string { return &c.APIAddr }),
		doc: "Address on which the API is served.",
	},
	{
		name: "METRICS_ADDR", set: listenAddr(func(c *Config) *string { return &c.MetricsAddr }),
		doc: "Address on which /metrics is served, for processes without the API; empty serves it on the API's address only.",
	},
	{
		name: "DATA_DIR", fallback: "./data", set: text(func(c *Config) *string { return &c.DataDir }),
		doc: "Directory of everything that is kept on this machine.",
	},
	{
		name: "KEY_DIR", fallback: "<DATA_DIR>/keys", set: text(func(c *Config) *string { return &c.KeyDir }),
		doc: "Directory of the keys that seal raw bodies; no backup may contain it.",
	},
	{
		name: "ACCEPT_LOST_KEYS", fallback: "false", toggle: true, set: boolean(func(c *Config) *bool { return &c.AcceptLostKeys }),
		doc: "Starts with an empty key directory although there are deliveries sealed with other keys, which can never be read then.",
	},
	{
		name: "MASTER_KEY", secret: true, set: masterKey,
		doc: "Key that wraps all other keys: 32 random bytes as base64.",
	},
	{
		name: "DATABASE_URL", secret: true, set: databaseURL,
		doc: "PostgreSQL to keep state and read models in, as a postgres:// URL; empty keeps them in SQLite files in the data directory.",
	},
	{
		name: "NATS_URL", secret: true, set: natsURL,
		doc: "NATS server or servers (comma-separated) to use instead of the in-process one.",
	},
	{
		name: "NATS_ADDR", fallback: "127.0.0.1:4222", set: natsAddr,
		doc: "Address on which the in-process NATS server listens; \"off\" keeps it inside the process.",
	},
	{
		name: "REPLICAS", fallback: "1", set: replicas,
		doc: "Number of servers that keep a copy of each stream: 1, 3 or 5.",
	},
	{
		name: "SPOOL", set: oneOf(func(c *Config) *string { return &c.Spool }, "always", "off", "on_outage"),
		doc: "Where a webhook is durable before it is answered: \"always\" in the spool on this machine, \"off\" in the stream, \"on_outage\" in the stream, and in the spool while the broker is away; by default \"always\" with one replica, else \"off\".",
	},
	{
		name: "SPOOL_MARK", fallback: "1GiB", set: size(func(c *Config) *uint64 { return &c.SpoolMark }),
		doc: "Size of the spool from which on webhooks are refused until the broker has taken some.",
	},
	{
		name: "SPOOL_AGE", fallback: "12h", set: age(func(c *Config) *time.Duration { return &c.SpoolAge }),
		doc: "Age of the oldest webhook in the spool from which on webhooks are refused until the broker has taken it.",
	},
	{
		name: "DISK_MARK", fallback: "256MiB", set: size(func(c *Config) *uint64 { return &c.DiskMark }),
		doc: "Free space on the disk of the data directory below which webhooks are refused.",
	},
	{
		name: "INSTANCE", fallback: "default", set: instance,
		doc: "Name of this installation in the source of every event.",
	},
	{
		name: "ADMIN_TOKEN", secret: true, set: secret(func(c *Config) *Secret { return &c.AdminToken }),
		doc: "Bearer token that may use the whole API.",
	},
	{
		name: "DEV", fallback: "false", toggle: true, set: boolean(func(c *Config) *bool { return &c.Dev }),
		doc: "Development mode: loopback addresses only, with secrets and keys made once in the data directory.",
	},
	{
		name: "SECRET_" + perProvider, secret: true, set: providerSecrets,
		doc: "Secrets that verify the provider's deliveries, comma-separated, newest first; without one the provider is not served.",
	},
	{
		name: "URL_TOKEN_" + perProvider, secret: true, set: urlToken,
		doc: "Token that the path of the provider's webhooks must hold, as in /webhooks/<provider>/~<token>.",
	},
	{
		name: "RETENTION", fallback: "168h", set: retention(func(c *Config, _ *ProviderConfig) *time.Duration { return &c.Retention }),
		doc: "How long raw bodies and personal details can be read; at least an hour.",
	},
	{
		name: "RETENTION_" + perProvider, fallback: "<RETENTION>", set: retention(func(_ *Config, p *ProviderConfig) *time.Duration { return &p.Retention }),
		doc: "The same for the provider's deliveries alone.",
	},
	{
		name: perProvider + "_UNSIGNED", fallback: string(UnsignedHold), onlyUnsigned: true, set: unsigned,
		doc: "What becomes of the deliveries that the provider does not sign: \"hold\" keeps them aside, \"token\" accepts those that the URL token vouches for, \"reject\" refuses them.",
	},
	{
		name: "DEDUPLICATION_WINDOW", fallback: "2m", set: deduplicationWindow,
		doc: "How long the streams recognise a message that is published again.",
	},
	{
		name: "DEADLINES", set: deadlines,
		doc: "Deadlines for reviews that differ from the built-in ones, comma-separated, as in provider/kind=48h.",
	},
	{
		name: "LOG_LEVEL", fallback: "info", set: logLevel,
		doc: "Least level that is logged: debug, info, warn or error.",
	},
	{
		name: "LOG_FORMAT", fallback: "text", set: oneOf(func(c *Config) *string { return &c.LogFormat }, "text", "json"),
		doc: "Form of the log: text or json.",
	},
	{
		name: "OTLP_ENDPOINT", set: httpURL(func(c *Config) *string { return &c.OTLPEndpoint }),
		doc: "URL of an OpenTelemetry collector (OTLP over HTTP) that gets the traces; empty sends none.",
	},
}

// row is a setting for one provider, or the setting itself where it is not
// per provider.
type row struct {
	setting
	provider string
}

// rows expands the table for the given providers.
func rows(providers []ProviderInfo) []row {
	var all []row
	for _, s := range settings {
		if !strings.Contains(s.name, perProvider) {
			all = append(all, row{setting: s})
			continue
		}
		for _, p := range providers {
			if s.onlyUnsigned && !p.MayBeUnsigned {
				continue
			}
			expanded := s
			expanded.name = strings.ReplaceAll(s.name, perProvider, strings.ToUpper(p.Name))
			all = append(all, row{setting: expanded, provider: p.Name})
		}
	}
	return all
}

// env returns the setting's environment variable.
func (r row) env() string { return envPrefix + r.name }

// key returns the setting's flag and YAML key.
func (r row) key() string { return kebab(r.name) }

// kebab writes a name as flags are written.
func kebab(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}
