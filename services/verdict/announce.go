package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// announce tells whoever started the process where it listens and, in development mode, what
// to try first.
func (p *process) announce() error {
	var b strings.Builder
	fmt.Fprintf(&b, "verdict %s\n", version)
	if p.role == RoleAll || p.role == RoleReceiver {
		fmt.Fprintf(&b, "  webhooks  http://%s/webhooks/{provider}   (%s)\n", p.cfg.HTTPAddr, strings.Join(p.servedNames(), ", "))
	}
	if p.role == RoleAll || p.role == RoleAPI {
		fmt.Fprintf(&b, "  API       http://%s/v1/verifications\n", p.cfg.APIAddr)
	}
	if p.server != nil && p.cfg.NATSAddr != "" {
		fmt.Fprintf(&b, "  NATS      nats://%s\n", p.server.Addr())
	}
	if p.cfg.Dev && p.role == RoleAll {
		example, err := p.example()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "  data      %s (development mode: secrets and keys are in %s)\n\nTry it:\n%s\n", p.cfg.DataDir, devDir(p.cfg.DataDir), example)
	}
	_, err := fmt.Fprint(p.out, b.String())
	return err
}

func (p *process) servedNames() []string {
	var names []string
	for _, served := range p.served() {
		names = append(names, served.Provider.Name)
	}
	return names
}

// example is one signed webhook as a command, and the question to ask then. It is that of the
// provider whose example is the shortest.
func (p *process) example() (string, error) {
	var shortest *provider.Provider
	for i := range p.providers {
		if q := &p.providers[i]; shortest == nil || len(q.Example.Body) < len(shortest.Example.Body) {
			shortest = q
		}
	}
	set := p.cfg.Provider(shortest.Name)
	var body bytes.Buffer
	if err := json.Compact(&body, shortest.Example.Body); err != nil {
		return "", fmt.Errorf("example of %s: %w", shortest.Name, err)
	}
	signed, err := shortest.Sign(shortest.Example.Event, body.Bytes(), set.Secrets[0].Reveal())
	if err != nil {
		return "", fmt.Errorf("example of %s: %w", shortest.Name, err)
	}
	path := "/webhooks/" + shortest.Name
	if set.URLToken.IsSet() {
		path += "/~" + set.URLToken.Reveal()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  curl http://%s%s%s", p.cfg.HTTPAddr, path, signed.Path)
	for _, name := range slices.Sorted(maps.Keys(signed.Header)) {
		fmt.Fprintf(&b, " \\\n    -H %s", quoted(name+": "+signed.Header[name]))
	}
	fmt.Fprintf(&b, " \\\n    --data-raw %s\n", quoted(string(signed.Body)))
	fmt.Fprintf(&b, "  curl http://%s/v1/verifications", p.cfg.APIAddr)
	return b.String(), nil
}

// quoted makes one word of a shell's command line.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
