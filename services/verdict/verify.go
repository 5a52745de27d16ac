package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/provider"
)

type verifyCommand struct {
	Settings    kong.Plugins `embed:""`
	Provider    string       `help:"Provider whose webhook it is; otherwise the one that the path of the request names."`
	Event       string       `xor:"path" help:"Event whose URL it was posted to, in the provider's own spelling."`
	Path        string       `xor:"path" help:"Last part of the URL that it was posted to, behind the provider and the token." placeholder:"SEGMENT"`
	Secret      []string     `sep:"none" help:"Secrets to try, newest first; otherwise those that are configured, or the one that development mode made in the data directory."`
	Header      []string     `short:"H" sep:"none" help:"A header that came with it." placeholder:"'NAME: VALUE'"`
	HeadersFile string       `help:"File with the headers that came with it, one on each line; the request line may be among them. What curl -v shows will do." placeholder:"FILE"`
	Body        string       `help:"File with the body alone; - reads standard input." placeholder:"FILE"`
	Claims      bool         `help:"Print the personal data that is in it, too."`
	JSON        bool         `name:"json" help:"Print the result as JSON, with all events."`
	Request     []string     `arg:"" optional:"" help:"Files with requests as they were posted, in their order: request line, headers, an empty line, the body; or as curl -v shows them. Without any, and with -, standard input is read; it may also be a body alone."`
}

// Help is shown by `verdict verify --help`.
func (verifyCommand) Help() string {
	return `Says what Verdict makes of a webhook, and why its signature is refused where it is: which
scheme was tried over which bytes, which secret fits or what would have to be different, what
the body says, and what the verification comes to. Several requests are taken in as one after
the other. Nothing is sent and nothing is stored; secrets are never printed, and personal data
only with --claims. The exit status is 0 only if every webhook would be taken.

Examples:

  verdict verify --provider yousign -H 'X-Yousign-Signature-256: sha256=…' --body body.json

  verdict verify first.http second.http

  verdict verify --headers-file curl-v.txt --body body.json

  pbpaste | verdict verify --provider kycaid`
}

// Run verifies. The error is what kept it from verifying, or that a webhook is refused.
func (cmd *verifyCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	config := flags.load()
	if err := config.Validate(""); err != nil {
		return err
	}
	posts, err := cmd.posts()
	if err != nil {
		return err
	}
	f := newFolding()
	var results []*verified
	refused := 0
	for _, p := range posts {
		v, err := cmd.verify(config, providers, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.source, err)
		}
		if err := v.decode(f, cmd.Claims); err != nil {
			return fmt.Errorf("%s: %w", p.source, err)
		}
		if !v.taken() {
			refused++
		}
		results = append(results, v)
	}
	if err := writeVerified(out, results, cmd.JSON); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d webhooks would be refused", refused, len(results))
	}
	return nil
}

// posts reads what is to be verified.
func (cmd *verifyCommand) posts() ([]*postedRequest, error) {
	if cmd.Body != "" && len(cmd.Request) > 0 {
		return nil, errors.New("--body: give a body alone or whole requests, not both")
	}
	files, parse := cmd.Request, parseRequest
	switch {
	case cmd.Body != "":
		files, parse = []string{cmd.Body}, bodyAlone
	case len(files) == 0:
		files = []string{"-"}
	}
	headers, err := cmd.headers()
	if err != nil {
		return nil, err
	}
	var posts []*postedRequest
	for _, file := range files {
		text, err := readPayload(file)
		if err != nil {
			return nil, err
		}
		p, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		p.source = file
		if err := p.head(headers); err != nil {
			return nil, err
		}
		for _, line := range cmd.Header {
			if err := p.add(line); err != nil {
				return nil, err
			}
		}
		p.limit()
		posts = append(posts, p)
	}
	return posts, nil
}

// headers is the file of the headers that were given beside the requests.
func (cmd *verifyCommand) headers() ([]byte, error) {
	if cmd.HeadersFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(cmd.HeadersFile)
	if err != nil {
		return nil, fmt.Errorf("read the headers: %w", err)
	}
	return text, nil
}

// verify checks the signature of one webhook.
func (cmd *verifyCommand) verify(c *Config, providers []provider.Provider, p *postedRequest) (*verified, error) {
	name, segment := cmd.Provider, p.segment()
	if name == "" && p.route != nil {
		name = p.route.provider
	}
	if name == "" {
		return nil, errors.New("--provider: is needed where no path of a request names it")
	}
	known, err := findProvider(providers, name)
	if err != nil {
		return nil, err
	}
	switch {
	case cmd.Path != "":
		segment = cmd.Path
	case cmd.Event != "":
		if err := knowsEvent(known, cmd.Event); err != nil {
			return nil, err
		}
		for _, e := range known.Events {
			if e.Name == cmd.Event {
				segment = e.Segment
			}
		}
	}
	secrets, from, err := cmd.secrets(c, known.Name)
	if err != nil {
		return nil, err
	}
	r := provider.Request{Segment: segment, Header: p.header.Get, Body: p.body}
	for _, s := range secrets {
		r.Secrets = append(r.Secrets, s.Reveal())
	}
	v := newVerified(known, p, r)
	v.SecretsFrom = from
	v.check(p, c.Provider(known.Name), providers)
	return v, nil
}

// secrets returns what to try and where it comes from.
func (cmd *verifyCommand) secrets(c *Config, name string) ([]Secret, string, error) {
	if len(cmd.Secret) > 0 {
		var given []Secret
		for _, text := range cmd.Secret {
			given = append(given, NewSecret(text))
		}
		return given, "--secret", nil
	}
	if p := c.Provider(name); p != nil && p.Served() {
		return p.Secrets, envPrefix + "SECRET_" + strings.ToUpper(name), nil
	}
	one := sendCommand{Provider: name}
	made, err := one.secret(c)
	return []Secret{made}, "development mode", err
}
