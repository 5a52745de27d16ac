package main

import (
	"fmt"
	"os"
	"strings"
)

// sources are the places where settings are looked for, the strongest first:
// flags, a file named by X_FILE, the environment, the YAML file. What is
// nowhere has its default. An empty value in the environment or in the YAML
// file counts as not there; an empty flag asks for the default.
type sources struct {
	flags map[string]string           // By kebab-case name, only those that were given.
	env   func(string) (string, bool) // As os.LookupEnv.
	file  string                      // Path of the YAML file, empty for none.
}

// configVariable names the YAML file where the flag --config does not.
const configVariable = envPrefix + "CONFIG"

// load resolves all settings for the given providers. It does not fail: what
// cannot be read or parsed is reported by Validate, which must be called
// before the configuration is used.
func load(providers []ProviderInfo, from sources) *Config {
	c := &Config{}
	for _, p := range providers {
		c.Providers = append(c.Providers, ProviderConfig{ProviderInfo: p})
	}
	all := rows(providers)
	keys := map[string]string{}
	if from.file != "" {
		var err error
		if keys, err = readYAML(from.file, all); err != nil {
			c.problems = append(c.problems, problem{"the configuration file", err})
		}
	}
	resolved := map[string]string{}
	for _, r := range all {
		text, source, err := from.find(r, keys)
		isDefault := source == "default"
		if isDefault {
			text = expand(r.fallback, resolved)
		}
		if err == nil && text != "" {
			err = r.set(c, c.Provider(r.provider), text)
		}
		// A default can be wrong only by what it refers to, and that has
		// been reported.
		if err != nil && !isDefault {
			c.problems = append(c.problems, problem{r.env(), err})
		}
		resolved[r.name] = text
		if r.secret {
			text = NewSecret(text).String()
		}
		c.values = append(c.values, Value{Name: r.env(), Text: text, Source: source})
	}
	return c
}

// find returns the text of one setting and where it was found.
func (s sources) find(r row, keys map[string]string) (text, source string, err error) {
	if text, given := s.flags[r.key()]; given {
		if text == "" {
			return "", "default", nil
		}
		return text, "flag --" + r.key(), nil
	}
	if path, _ := s.env(r.env() + "_FILE"); path != "" {
		source = "file named by " + r.env() + "_FILE"
		text, err = readValueFile(path)
		if err != nil {
			err = fmt.Errorf("read %s_FILE: %w", r.env(), err)
		}
		return text, source, err
	}
	if text, _ := s.env(r.env()); text != "" {
		return text, "environment", nil
	}
	if text := keys[r.key()]; text != "" {
		return text, "file " + s.file, nil
	}
	return "", "default", nil
}

// readValueFile returns the content of a file without its last newline.
func readValueFile(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return text, nil
}

// expand replaces every <NAME> in a default by the value of that setting.
func expand(fallback string, resolved map[string]string) string {
	for name, text := range resolved {
		fallback = strings.ReplaceAll(fallback, "<"+name+">", text)
	}
	return fallback
}
