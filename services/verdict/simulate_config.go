package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/services/simulator"
)

// config is what the simulation needs, from the flags and the settings.
func (cmd *simulateCommand) config(c *Config, players []simulator.Player) (simulator.Config, error) {
	play := simulator.Config{
		Start: time.Now(), Seed: rand.Uint64(), Stories: cmd.Count, Duration: cmd.Duration, Rate: cmd.Rate,
		Connections: cmd.Connections, Duplicates: cmd.Duplicates, BadSignatures: cmd.BadSignatures, Shuffle: cmd.Shuffle, Speed: cmd.Speed,
	}
	if cmd.Start != nil {
		play.Start = *cmd.Start
	}
	if cmd.Seed != nil {
		play.Seed = *cmd.Seed
	}
	for name := range cmd.Secret {
		if err := plays(players, "--secret", name); err != nil {
			return play, err
		}
	}
	for name := range cmd.Token {
		if err := plays(players, "--token", name); err != nil {
			return play, err
		}
	}
	var err error
	if play.Players, err = cmd.equip(c, players); err != nil {
		return play, err
	}
	if cmd.Verify {
		if play.API, err = cmd.api(c); err != nil {
			return play, err
		}
	}
	return play, nil
}

func plays(players []simulator.Player, flag, name string) error {
	if slices.ContainsFunc(players, func(p simulator.Player) bool { return p.Provider.Name == name }) {
		return nil
	}
	return fmt.Errorf("%s: %q does not play", flag, name)
}

// equip gives the players their secrets and URLs. Those without a secret are left out where
// nobody has asked for them.
func (cmd *simulateCommand) equip(c *Config, players []simulator.Player) ([]simulator.Player, error) {
	var equipped []simulator.Player
	var missing error
	for _, p := range players {
		name := p.Provider.Name
		like := sendCommand{Provider: name, Secret: cmd.Secret[name], URL: cmd.URL, Token: cmd.Token[name]}
		secret, err := like.secret(c)
		if err != nil {
			missing = err
			continue
		}
		if p, err = cmd.held(c, p); err != nil {
			return nil, err
		}
		if len(p.Scenarios) == 0 {
			continue
		}
		p.Secret = secret.Reveal()
		if p.URL, err = like.target(c, ""); err != nil {
			return nil, err
		}
		if err := cmd.mayReach("--url", p.URL); err != nil {
			return nil, err
		}
		equipped = append(equipped, p)
	}
	if missing != nil && (len(cmd.Provider) > 0 || len(equipped) == 0) {
		return nil, missing
	}
	return equipped, nil
}

// held leaves out the scenarios that expect unsigned webhooks to be held, where the settings say
// that something else becomes of them. One that was asked for by its name is an error.
func (cmd *simulateCommand) held(c *Config, p simulator.Player) (simulator.Player, error) {
	set := c.Provider(p.Provider.Name)
	if set == nil || set.Unsigned != UnsignedReject && (set.Unsigned != UnsignedToken || !set.URLToken.IsSet()) {
		return p, nil
	}
	var kept []provider.Scenario
	for _, s := range p.Scenarios {
		switch {
		case !postsUnsigned(s):
			kept = append(kept, s)
		case slices.Contains(cmd.Scenario, s.Name):
			return p, fmt.Errorf("--scenario: %s expects that unsigned webhooks are held, and %sUNSIGNED is %s",
				s.Name, envPrefix+strings.ToUpper(p.Provider.Name)+"_", set.Unsigned)
		}
	}
	p.Scenarios = kept
	return p, nil
}

func postsUnsigned(s provider.Scenario) bool {
	story := s.Make(rand.New(rand.NewPCG(0, 0)), time.Now())
	return slices.ContainsFunc(story.Deliveries, func(d provider.Posted) bool { return d.Family == provider.FamilyUnsigned })
}

// mayReach refuses what is not on this machine: only an address of the loopback, or its name,
// surely is.
func (cmd *simulateCommand) mayReach(flag, target string) error {
	parsed, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("%s: is no URL", flag)
	}
	host := parsed.Hostname()
	if ip := net.ParseIP(host); cmd.AllowRemote || strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s: %s is another machine; a simulation puts load on it, so say --allow-remote if it is yours", flag, host)
}

// api is where to ask, and with what.
func (cmd *simulateCommand) api(c *Config) (*simulator.API, error) {
	api := &simulator.API{URL: strings.TrimSuffix(cmd.APIURL, "/"), Token: cmd.APIToken, Patience: cmd.Patience}
	if api.URL == "" {
		api.URL = "http://" + c.APIAddr
	}
	if err := cmd.mayReach("--api-url", api.URL); err != nil {
		return nil, err
	}
	if api.Token == "" {
		api.Token = c.AdminToken.Reveal()
	}
	if api.Token == "" {
		made, err := readSecret(filepath.Join(devDir(c.DataDir), devAdminToken))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
			return nil, err
		}
		api.Token = made.Reveal() // None where there is no development mode: the API then says so.
	}
	return api, nil
}

// chooseScenarios gives each player the scenarios of the names, or all. Players without any
// are left out. It returns an error for a name that nobody plays.
func chooseScenarios(players []simulator.Player, names []string) ([]simulator.Player, error) {
	var chosen []simulator.Player
	known := map[string]bool{}
	for _, p := range players {
		for _, s := range p.Provider.Scenarios {
			known[s.Name] = true
		}
		p.Scenarios = slices.DeleteFunc(slices.Clone(p.Provider.Scenarios), func(s provider.Scenario) bool {
			return len(names) > 0 && !slices.Contains(names, s.Name)
		})
		if len(p.Scenarios) > 0 {
			chosen = append(chosen, p)
		}
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("--scenario: %q is unknown; there are %s", name, strings.Join(scenarioNames(players), "; "))
		}
	}
	return chosen, nil
}

func scenarioNames(players []simulator.Player) []string {
	var lists []string
	for _, p := range players {
		var names []string
		for _, s := range p.Provider.Scenarios {
			names = append(names, s.Name)
		}
		lists = append(lists, p.Provider.Name+": "+strings.Join(names, ", "))
	}
	return lists
}
