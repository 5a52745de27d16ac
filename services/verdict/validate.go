package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Role is the part of Verdict that a process plays; the command that starts it
// has the same name.
type Role string

// The roles.
const (
	RoleAll       Role = "up" // Everything in one process.
	RoleReceiver  Role = "receiver"
	RoleLifecycle Role = "lifecycle"
	RoleProjector Role = "projector"
	RoleAPI       Role = "api"
)

// receives tells whether the role takes webhooks.
func (r Role) receives() bool { return r == RoleAll || r == RoleReceiver || r == RoleIngest }

// needs says for each role what it cannot run without.
var needs = map[Role]struct{ providerSecret, masterKey, natsURL, adminToken bool }{
	RoleAll:       {providerSecret: true, masterKey: true, adminToken: true},
	RoleReceiver:  {providerSecret: true, masterKey: true, natsURL: true},
	RoleLifecycle: {masterKey: true, natsURL: true},
	RoleProjector: {masterKey: true, natsURL: true},
	RoleAPI:       {adminToken: true},
}

// Validate reports everything that keeps the role from running, joined into
// one error: what could not be read or parsed, what is missing, and what does
// not go together. Each part names a setting and says what to do. In
// development mode nothing is missing that PrepareDev makes; the empty role
// needs nothing.
func (c *Config) Validate(role Role) error {
	var all []error
	for _, p := range c.problems {
		all = append(all, fmt.Errorf("%s: %w", p.name, p.err))
	}
	report := func(name, advice string) {
		if !c.isProblem(name) {
			all = append(all, fmt.Errorf("%s%s: %s", envPrefix, name, advice))
		}
	}
	need := needs[role]
	if need.natsURL && !c.NATSURL.IsSet() {
		report("NATS_URL", fmt.Sprintf("is not set: name the server that the processes share, or run everything in one process with `verdict %s`", RoleAll))
	}
	if c.Replicas > 1 && !c.NATSURL.IsSet() {
		report("REPLICAS", "must be 1 with the in-process server: name a cluster with "+envPrefix+"NATS_URL")
	}
	if c.Dev {
		for name, addr := range map[string]string{"HTTP_ADDR": c.HTTPAddr, "API_ADDR": c.APIAddr, "METRICS_ADDR": c.MetricsAddr, "NATS_ADDR": c.NATSAddr} {
			if addr != "" && !isLoopback(addr) {
				report(name, fmt.Sprintf("is %s, but development mode listens on loopback addresses only: give one such as 127.0.0.1:8080, or leave development mode", addr))
			}
		}
	} else {
		if need.providerSecret && !c.anyServed() && !c.anyBadSecret() {
			report("SECRET_"+perProvider, "is not set for any provider: give the webhook secret of at least one of "+c.providerNames()+", or start with --dev")
		}
		if need.masterKey && !c.MasterKey.IsSet() {
			report("MASTER_KEY", fmt.Sprintf("is not set: make a key with `openssl rand -base64 %d` and keep it apart from backups, or start with --dev", masterKeySize))
		}
		if need.adminToken && !c.AdminToken.IsSet() {
			report("ADMIN_TOKEN", "is not set: choose a long random token for the API, or start with --dev")
		}
	}
	slices.SortStableFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(all...)
}

// isProblem tells whether the setting has been given but could not be used.
func (c *Config) isProblem(name string) bool {
	return slices.ContainsFunc(c.problems, func(p problem) bool { return p.name == envPrefix+name })
}

func (c *Config) anyServed() bool {
	return slices.ContainsFunc(c.Providers, func(p ProviderConfig) bool { return p.Served() })
}

func (c *Config) anyBadSecret() bool {
	return slices.ContainsFunc(c.Providers, func(p ProviderConfig) bool { return c.isProblem("SECRET_" + strings.ToUpper(p.Name)) })
}

func (c *Config) providerNames() string {
	var names []string
	for _, p := range c.Providers {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// isLoopback tells whether nobody outside this machine can reach a listener
// on the address. An address without a host means all interfaces.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
