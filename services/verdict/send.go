package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/provider"
)

type sendCommand struct {
	Settings kong.Plugins `embed:""`
	Provider string       `required:"" help:"Provider in whose name to send."`
	Event    string       `required:"" help:"Event, in the provider's own spelling."`
	Secret   string       `help:"Secret to sign with; otherwise the newest that is configured, or the one that development mode made in the data directory."`
	URL      string       `name:"url" help:"Where the receiver is; otherwise http:// and the address of the settings."`
	Token    string       `help:"URL token; otherwise the one that is configured."`
	JSON     bool         `name:"json" help:"Print the answer as one line of JSON."`
	File     string       `arg:"" help:"File with the payload as the provider documents it; - reads standard input."`
}

// Help is shown below the list of flags.
func (sendCommand) Help() string {
	return `Signs one payload as the provider would, posts it to the receiver and prints the
answer. The exit status is 0 only if the webhook was taken.

Examples:

  verdict send --provider idenfy --event "ID VERIFICATION AUTO FINISH" payload.json

  verdict send --provider kycaid --event VERIFICATION_COMPLETED --secret S --json - < payload.json`
}

// Run sends the payload. The error is what kept it from being sent, or that it was refused.
func (cmd *sendCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	config := flags.load()
	if err := config.Validate(""); err != nil {
		return err
	}
	p, err := findProvider(providers, cmd.Provider)
	if err != nil {
		return err
	}
	if err := knowsEvent(p, cmd.Event); err != nil {
		return err
	}
	secret, err := cmd.secret(config)
	if err != nil {
		return err
	}
	body, err := readPayload(cmd.File)
	if err != nil {
		return err
	}
	signed, err := p.Sign(cmd.Event, body, secret.Reveal())
	if err != nil {
		return fmt.Errorf("sign the payload as %s would: %w", p.Name, err)
	}
	target, err := cmd.target(config, signed.Path)
	if err != nil {
		return err
	}
	answer, err := post(target, signed)
	if err != nil {
		return err
	}
	if err := answer.print(out, cmd.JSON); err != nil {
		return err
	}
	if answer.Status/100 != 2 {
		return fmt.Errorf("the webhook was not taken: %d %s", answer.Status, http.StatusText(answer.Status))
	}
	return nil
}

func findProvider(providers []provider.Provider, name string) (*provider.Provider, error) {
	var names []string
	for i := range providers {
		if providers[i].Name == name {
			return &providers[i], nil
		}
		names = append(names, providers[i].Name)
	}
	return nil, fmt.Errorf("--provider: %q is unknown; known are %s", name, strings.Join(names, ", "))
}

func knowsEvent(p *provider.Provider, name string) error {
	var names []string
	for _, e := range p.Events {
		if e.Name == name {
			return nil
		}
		names = append(names, fmt.Sprintf("%q", e.Name))
	}
	return fmt.Errorf("--event: %q is unknown; %s has %s", name, p.Name, strings.Join(names, ", "))
}

// secret returns what to sign with. The secret of development mode is found without --dev too:
// the server that made it need not be this process.
func (cmd *sendCommand) secret(c *Config) (Secret, error) {
	if cmd.Secret != "" {
		return NewSecret(cmd.Secret), nil
	}
	if p := c.Provider(cmd.Provider); p != nil && p.Served() {
		return p.Secrets[0], nil
	}
	made, err := DevSecret(c.DataDir, cmd.Provider)
	if errors.Is(err, os.ErrNotExist) {
		return Secret{}, fmt.Errorf("there is no secret for %s: give --secret, set %sSECRET_%s, or name with --data-dir the data directory of a server in development mode",
			cmd.Provider, envPrefix, strings.ToUpper(cmd.Provider))
	}
	return made, err
}

// target returns the URL of the webhook; path is what follows the provider and the token.
func (cmd *sendCommand) target(c *Config, path string) (string, error) {
	base := cmd.URL
	if base == "" {
		host, port, err := net.SplitHostPort(c.HTTPAddr)
		if err != nil {
			return "", fmt.Errorf("%sHTTP_ADDR: %w", envPrefix, err)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1" // It listens on every address, so on this one too.
		}
		base = "http://" + net.JoinHostPort(host, port)
	}
	parsed, err := url.Parse(base)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return "", errors.New("--url: must be an http or https URL such as http://127.0.0.1:8080")
	}
	token := cmd.Token
	if p := c.Provider(cmd.Provider); token == "" && p != nil {
		token = p.URLToken.Reveal()
	}
	target := strings.TrimSuffix(base, "/") + "/webhooks/" + cmd.Provider
	if token != "" {
		target += "/~" + url.PathEscape(token)
	}
	return target + path, nil
}

func readPayload(file string) ([]byte, error) {
	var body []byte
	var err error
	if file == "-" {
		body, err = io.ReadAll(os.Stdin)
	} else {
		body, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	return body, nil
}
