package main

import (
	"encoding/base64"
	"strings"
	"testing"
)

// goodKey is a master key in the form in which it is given.
var goodKey = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", masterKeySize)))

func TestValidateNamesWhatIsMissing(t *testing.T) {
	const (
		noSecret = "VERDICT_SECRET_<PROVIDER>: is not set for any provider: give the webhook secret of at least one of acme, globex"
		noKey    = "VERDICT_MASTER_KEY: is not set"
		noNATS   = "VERDICT_NATS_URL: is not set"
		noToken  = "VERDICT_ADMIN_TOKEN: is not set"
	)
	for _, test := range []struct {
		role Role
		dev  bool
		want []string
	}{
		{RoleAll, false, []string{noToken, noKey, noSecret}},
		{RoleReceiver, false, []string{noKey, noNATS, noSecret}},
		{RoleLifecycle, false, []string{noKey, noNATS}},
		{RoleProjector, false, []string{noKey, noNATS}},
		{RoleAPI, false, []string{noToken}},
		{RoleAll, true, nil},
		{RoleReceiver, true, []string{noNATS}},
		{RoleAPI, true, nil},
	} {
		t.Run(string(test.role), func(t *testing.T) {
			c := load(testProviders, sources{env: environment(nil)})
			c.Dev = test.dev
			checkLines(t, c.Validate(test.role), test.want)
		})
	}
}

func TestValidateAcceptsWhatIsComplete(t *testing.T) {
	c := load(testProviders, sources{env: environment(map[string]string{
		"VERDICT_SECRET_GLOBEX": "s", "VERDICT_MASTER_KEY": goodKey, "VERDICT_ADMIN_TOKEN": "t",
		"VERDICT_NATS_URL": "nats://user:pass@broker-1:4222,nats://broker-2:4222", "VERDICT_REPLICAS": "3",
		"VERDICT_DATABASE_URL": "postgres://user:pass@db/verdict", "VERDICT_HTTP_ADDR": ":8080",
	})})
	for role := range needs {
		if err := c.Validate(role); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
	if got := len(c.MasterKey.Reveal()); got != masterKeySize {
		t.Errorf("the master key has %d bytes", got)
	}
}

func TestDatabaseMayBeASocket(t *testing.T) {
	c := load(testProviders, sources{env: environment(map[string]string{"VERDICT_DATABASE_URL": "postgres:///verdict?host=/run/postgresql&user=verdict"})})
	if err := c.Validate(""); err != nil {
		t.Error(err)
	}
}

func TestValidateRefusesBadValues(t *testing.T) {
	for name, texts := range map[string][]string{
		"VERDICT_HTTP_ADDR":            {"127.0.0.1", "8080", "127.0.0.1:http", "127.0.0.1:70000", "off"},
		"VERDICT_NATS_ADDR":            {"on"},
		"VERDICT_MASTER_KEY":           {"hidden", goodKey + "AAAA", goodKey[:40], "!" + goodKey[1:]},
		"VERDICT_NATS_URL":             {"http://hidden", "hidden:4222", "nats://a:4222,", "nats://user:hidden@host:port"},
		"VERDICT_DATABASE_URL":         {"mysql://hidden", "host=hidden", "postgres://", "postgres://user:hidden%zz@db"},
		"VERDICT_REPLICAS":             {"2", "0", "-1", "many"},
		"VERDICT_INSTANCE":             {"Prod", "a b", "a/b", strings.Repeat("a", 33)},
		"VERDICT_DEV":                  {"yes please"},
		"VERDICT_SECRET_ACME":          {"hidden,", ",hidden", "hidden,,hidden"},
		"VERDICT_URL_TOKEN_ACME":       {"hidden/", "hidden?", strings.Repeat("h", 129)},
		"VERDICT_RETENTION":            {"7d", "59m59s", "-1h", "168"},
		"VERDICT_RETENTION_ACME":       {"1m"},
		"VERDICT_ACME_UNSIGNED":        {"accept", "Hold"},
		"VERDICT_DEDUPLICATION_WINDOW": {"0s", "99ms", "2h", "2"},
		"VERDICT_DEADLINES":            {"acme/interview", "acme/interview=", "acme/interview=0s", "acme/selfie=1h", "initech/x=1h", "acme/passport=1h,acme/passport=2h"},
		"VERDICT_LOG_LEVEL":            {"loud"},
		"VERDICT_LOG_FORMAT":           {"xml"},
		"VERDICT_OTLP_ENDPOINT":        {"collector:4318", "grpc://collector", "http://user:hidden@collector"},
	} {
		for _, text := range texts {
			err := load(testProviders, sources{env: environment(map[string]string{name: text})}).Validate("")
			checkLines(t, err, []string{name + ": "})
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error shows the value: %v", err)
			}
		}
	}
}

func TestMasterKeyForms(t *testing.T) {
	for _, text := range []string{goodKey, strings.TrimRight(goodKey, "=")} {
		c := load(nil, sources{env: environment(map[string]string{"VERDICT_MASTER_KEY": text})})
		if err := c.Validate(""); err != nil || c.MasterKey.Reveal() != strings.Repeat("k", masterKeySize) {
			t.Errorf("%d characters: not the key (%v)", len(text), err)
		}
	}
}

func TestValidateJoinsEverything(t *testing.T) {
	c := load(testProviders, sources{
		env:  environment(map[string]string{"VERDICT_MASTER_KEY": "short", "VERDICT_REPLICAS": "3", "VERDICT_RETENTION": "1s"}),
		file: write(t, "nonsense: 1\n"),
	})
	checkLines(t, c.Validate(RoleAll), []string{
		"VERDICT_ADMIN_TOKEN: is not set",
		"VERDICT_MASTER_KEY: must be 32 random bytes",
		"VERDICT_REPLICAS: must be 1 with the in-process server",
		"VERDICT_RETENTION: must be a duration",
		"VERDICT_SECRET_<PROVIDER>: is not set",
		"the configuration file: ",
	})
}

func TestDevelopmentModeIsLoopbackOnly(t *testing.T) {
	addresses := []string{"VERDICT_HTTP_ADDR", "VERDICT_API_ADDR", "VERDICT_METRICS_ADDR", "VERDICT_NATS_ADDR"}
	for _, name := range addresses {
		for addr, want := range map[string][]string{
			"127.0.0.1:1": nil, "127.9.9.9:1": nil, "[::1]:1": nil, "localhost:1": nil,
			":1": {name + ": "}, "0.0.0.0:1": {name + ": "}, "[::]:1": {name + ": "}, "10.0.0.1:1": {name + ": "},
			"example.org:1": {name + ": "}, "localhost.example.org:1": {name + ": "},
		} {
			c := load(testProviders, sources{env: environment(map[string]string{name: addr, "VERDICT_DEV": "1"})})
			checkLines(t, c.Validate(RoleAll), want)
		}
	}
	c := load(testProviders, sources{env: environment(map[string]string{"VERDICT_NATS_ADDR": "off", "VERDICT_DEV": "1"})})
	checkLines(t, c.Validate(RoleAll), nil)
}

// checkLines compares the lines of a joined error with how they must begin.
func checkLines(t *testing.T, err error, want []string) {
	t.Helper()
	var got []string
	if err != nil {
		got = strings.Split(err.Error(), "\n")
	}
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("line %d is %q, want one that begins with %q", i, got[i], want[i])
		}
	}
}
