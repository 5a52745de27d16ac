package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// settingFlags are the command-line flags of all settings, for commands to
// embed. One value serves all commands, since only one of them runs.
type settingFlags struct {
	providers []ProviderInfo
	rows      []row
	file      *fileFlag
	given     reflect.Value // A pointer to a struct with one pointer per row: nil where the flag is not given.
}

type fileFlag struct {
	Config string `help:"YAML file with settings, under the names of their flags (VERDICT_CONFIG)." placeholder:"FILE" type:"path"`
}

// newSettingFlags makes the flags for the settings of the given providers.
func newSettingFlags(providers []ProviderInfo) *settingFlags {
	f := &settingFlags{providers: providers, rows: rows(providers), file: &fileFlag{}}
	var fields []reflect.StructField
	for i, r := range f.rows {
		kind := reflect.TypeFor[*string]()
		if r.toggle {
			kind = reflect.TypeFor[*bool]()
		}
		help := fmt.Sprintf("%s (%s", strings.TrimSuffix(r.doc, "."), r.env())
		if r.fallback != "" && !r.toggle {
			help += ", default " + r.fallback
		}
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("Flag%d", i),
			Type: kind,
			Tag:  reflect.StructTag(fmt.Sprintf("name:%q help:%q placeholder:%q group:%q", r.key(), help+").", "TEXT", "Settings")),
		})
	}
	f.given = reflect.New(reflect.StructOf(fields))
	return f
}

// plugins returns what a command embeds to have the flags.
func (f *settingFlags) plugins() kong.Plugins {
	return kong.Plugins{f.file, f.given.Interface()}
}

// load resolves the settings from the flags of the command line that has been
// parsed, the process's environment and the YAML file.
func (f *settingFlags) load() *Config {
	from := sources{flags: map[string]string{}, env: os.LookupEnv, file: f.file.Config}
	for i, r := range f.rows {
		if field := f.given.Elem().Field(i); !field.IsNil() {
			from.flags[r.key()] = fmt.Sprint(field.Elem())
		}
	}
	if from.file == "" {
		from.file, _ = from.env(configVariable)
	}
	return load(f.providers, from)
}
