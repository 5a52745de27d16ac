package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/telemetry"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/services/receiver"
)

// infos is what configuration needs to know of the providers.
func infos(providers []provider.Provider) []ProviderInfo {
	list := make([]ProviderInfo, len(providers))
	for i, p := range providers {
		list[i] = ProviderInfo{Name: p.Name, MayBeUnsigned: p.Unsigned}
		for _, kind := range p.Kinds {
			list[i].Kinds = append(list[i].Kinds, kind.Name)
		}
	}
	return list
}

// withDeadlines returns the providers with the deadlines that the operator has set.
func withDeadlines(providers []provider.Provider, deadlines map[string]time.Duration) []provider.Provider {
	providers = slices.Clone(providers)
	for i := range providers {
		kinds := make([]*verification.Kind, len(providers[i].Kinds))
		for j, kind := range providers[i].Kinds {
			changed := *kind
			if deadline, ok := deadlines[kind.Provider+"/"+kind.Name]; ok {
				changed.Deadline = deadline
			}
			kinds[j] = &changed
		}
		providers[i].Kinds = kinds
	}
	return providers
}

// served are the providers that have a secret, with what is set for them.
func (p *process) served() []receiver.Served {
	var list []receiver.Served
	for _, known := range p.providers {
		set := p.cfg.Provider(known.Name)
		if set == nil || !set.Served() {
			continue
		}
		one := receiver.Served{Provider: known, URLToken: set.URLToken.Reveal(), Unsigned: receiver.UnsignedPolicy(set.Unsigned)}
		for _, secret := range set.Secrets {
			one.Secrets = append(one.Secrets, secret.Reveal())
		}
		list = append(list, one)
	}
	return list
}

// retention is how long the deliveries of a provider are kept.
func (p *process) retention(name string) time.Duration {
	if set := p.cfg.Provider(name); set != nil {
		return set.Retention
	}
	return p.cfg.Retention
}

func (p *process) longestRetention() time.Duration {
	longest := p.cfg.Retention
	for _, set := range p.cfg.Providers {
		longest = max(longest, set.Retention)
	}
	return longest
}

func (p *process) location() store.Location {
	return store.Location{Dir: p.cfg.DataDir, URL: store.URL(p.cfg.DatabaseURL.Reveal())}
}

const metricsTimeout = 10 * time.Second

// serveMetrics serves /metrics and /livez where an address for them is set.
func (p *process) serveMetrics(ctx context.Context) error {
	if p.cfg.MetricsAddr == "" {
		return nil
	}
	listener, err := net.Listen("tcp", p.cfg.MetricsAddr)
	if err != nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.telemetry.MetricsHandler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	server := &http.Server{Handler: mux, ReadTimeout: metricsTimeout, WriteTimeout: metricsTimeout}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

const (
	availableInterval = time.Second
	availableAlarm    = 30 * time.Second
)

// untilAvailable opens what is away until it is there. When ctx ends before, it returns nil
// and nothing is open.
func (p *process) untilAvailable(ctx context.Context, what string, open func() error) error {
	alarm := telemetry.Every(p.logger, availableAlarm)
	for {
		err := open()
		if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, bus.ErrUnavailable) {
			return unlessStopped(ctx, err)
		}
		alarm.WarnContext(ctx, "waiting for what is not available", "what", what, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(availableInterval):
		}
	}
}

// unlessStopped returns the error, or nil where it comes from the process being stopped.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = nil
	}
	return err
}

// clockSkew is how far the clocks of this machine and of the broker may differ.
const clockSkew = time.Minute

// checkKeys refuses to go on with a key directory that was made just now beside streams that
// hold sealed deliveries: it is not the directory that their keys are in, and what it would
// seal could not be read once that one is back.
func (p *process) checkKeys(ctx context.Context) error {
	if p.keys == nil || !p.keys.Fresh() || p.cfg.AcceptLostKeys {
		return nil
	}
	// What another process has sealed into the directory since it was made is younger.
	made := p.keysOpened.Add(-clockSkew)
	for _, stream := range []string{bus.Webhooks, bus.Held} {
		state, err := p.bus.StreamState(ctx, stream)
		if err != nil {
			return err
		}
		if state.Messages > 0 && state.FirstTime.Before(made) {
			if err := p.keys.Abandon(); err != nil {
				return err
			}
			return fmt.Errorf("key directory %s is empty, but %s holds %d deliveries sealed with other keys: mount the right directory, "+
				"or start with --accept-lost-keys if they are lost for good", p.cfg.KeyDir, stream, state.Messages)
		}
	}
	return nil
}
