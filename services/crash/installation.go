//go:build linux

package crash

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// Form is a way to run Verdict: its processes, in the order in which they are started.
type Form struct {
	Name  string
	roles []string
}

const (
	roleAll       = "up"
	roleBroker    = "broker"
	roleReceiver  = "receiver"
	roleLifecycle = "lifecycle"
	roleProjector = "projector"
	roleAPI       = "api"
)

// Forms lists every form.
var Forms = []Form{
	{Name: "up", roles: []string{roleAll}},
	{Name: "split", roles: []string{roleBroker, roleReceiver, roleLifecycle, roleProjector, roleAPI}},
}

const (
	masterKey  = "crash-crash-crash-crash-crash-32"
	adminToken = "admin-4be01c77d2"
	password   = "broker-93f1c0de52"
	adminUser  = "admin"
	// farDeadline lets no review become overdue: else events would come of themselves.
	farDeadline = 100 * 365 * 24 * time.Hour
)

// installation is a Verdict of its own: its directory, its settings and its processes.
type installation struct {
	form      Form
	disk      *disk
	logs      string
	command   map[string][]string // of each role
	settings  map[string]string
	own       map[string]map[string]string // settings of one role
	lines     map[string]*line             // from a role to the broker
	client    *http.Client
	providers []provider.Provider

	mu       sync.Mutex
	programs map[string]*program
}

// newInstallation makes one; nothing runs yet.
func newInstallation(form Form, cfg *Config, seed uint64, dir string) (in *installation, err error) {
	in = &installation{
		form: form, logs: filepath.Join(dir, "logs"), command: map[string][]string{}, own: map[string]map[string]string{},
		lines: map[string]*line{}, client: &http.Client{Timeout: askTimeout, Transport: &http.Transport{}},
		providers: patient(cfg.Providers), programs: map[string]*program{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, in.close())
		}
	}()
	if in.disk, err = newDisk(filepath.Join(dir, "disk"), diskSize); err != nil {
		return in, err
	}
	in.settings = map[string]string{
		"VERDICT_DATA_DIR":             in.data(),
		"VERDICT_MASTER_KEY":           base64.StdEncoding.EncodeToString([]byte(masterKey)),
		"VERDICT_ADMIN_TOKEN":          adminToken,
		"VERDICT_DEDUPLICATION_WINDOW": cfg.Window.String(),
		"VERDICT_DEADLINES":            deadlines(in.providers),
		"VERDICT_SPOOL":                cfg.spool(seed),
	}
	if cfg.Database != nil {
		in.settings["VERDICT_DATABASE_URL"] = cfg.Database()
	}
	for _, p := range in.providers {
		in.settings["VERDICT_SECRET_"+strings.ToUpper(p.Name)] = secretOf(p.Name)
	}
	for _, name := range []string{"VERDICT_HTTP_ADDR", "VERDICT_API_ADDR", "VERDICT_NATS_ADDR"} {
		if in.settings[name], err = freeAddr(); err != nil {
			return in, err
		}
	}
	for _, role := range form.roles {
		if err := in.equip(role, cfg); err != nil {
			return in, err
		}
	}
	for _, made := range []string{in.data(), in.logs} {
		err = errors.Join(err, os.MkdirAll(made, 0o700))
	}
	return in, errors.Join(err, os.WriteFile(in.passwordFile(), []byte(password+"\n"), 0o600))
}

// equip says how a role is started.
func (in *installation) equip(role string, cfg *Config) (err error) {
	own := map[string]string{}
	in.own[role], in.command[role] = own, []string{cfg.Verdict, role}
	switch role {
	case roleAll:
		return nil
	case roleBroker:
		in.command[role] = cfg.Broker
		own[brokerDir], own[brokerAddr], own[brokerPassword] = filepath.Join(in.data(), "nats"), in.settings["VERDICT_NATS_ADDR"], in.passwordFile()
		return nil
	case roleAPI:
		return nil // It knows the database alone.
	case roleLifecycle, roleProjector:
		if own["VERDICT_METRICS_ADDR"], err = freeAddr(); err != nil {
			return err
		}
	}
	if in.lines[role], err = newLine(in.settings["VERDICT_NATS_ADDR"]); err != nil {
		return err
	}
	own["VERDICT_NATS_URL"] = natsURL(in.lines[role].addr())
	return nil
}

func natsURL(addr string) string { return "nats://" + adminUser + ":" + password + "@" + addr }

// patient returns the providers with deadlines that never pass.
func patient(providers []provider.Provider) []provider.Provider {
	providers = slices.Clone(providers)
	for i := range providers {
		providers[i].Kinds = slices.Clone(providers[i].Kinds)
		for j, kind := range providers[i].Kinds {
			changed := *kind
			changed.Deadline = farDeadline
			providers[i].Kinds[j] = &changed
		}
	}
	return providers
}

func deadlines(providers []provider.Provider) string {
	var list []string
	for _, p := range providers {
		for _, kind := range p.Kinds {
			list = append(list, p.Name+"/"+kind.Name+"="+kind.Deadline.String())
		}
	}
	return strings.Join(list, ",")
}

func secretOf(name string) string { return name + "-61d0a7f39c" }

func (in *installation) data() string   { return filepath.Join(in.disk.dir, "data") }
func (in *installation) keyDir() string { return filepath.Join(in.data(), "keys") }
func (in *installation) webhooks() string {
	return "http://" + in.settings["VERDICT_HTTP_ADDR"] + "/webhooks/"
}
func (in *installation) api() string { return "http://" + in.settings["VERDICT_API_ADDR"] }

// passwordFile is where the broker that runs inside of a process looks for its password, too.
func (in *installation) passwordFile() string {
	return filepath.Join(in.data(), "nats-admin-password")
}

// start starts the roles that do not run.
func (in *installation) start(roles ...string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, role := range in.form.roles {
		if p := in.programs[role]; !slices.Contains(roles, role) || p != nil && p.running() {
			continue
		}
		env := []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
		for _, set := range []map[string]string{in.settings, in.own[role]} {
			for _, name := range slices.Sorted(maps.Keys(set)) {
				env = append(env, name+"="+set[name])
			}
		}
		p, err := startProgram(role, in.command[role], env, filepath.Join(in.logs, role+".log"))
		if err != nil {
			return err
		}
		in.programs[role] = p
	}
	return nil
}

// kill ends roles as a power failure does.
func (in *installation) kill(roles ...string) error {
	var errs []error
	for _, p := range in.running() {
		if slices.Contains(roles, p.role) {
			errs = append(errs, p.kill())
		}
	}
	return errors.Join(errs...)
}

// stop asks all processes to end, the broker last.
func (in *installation) stop() error {
	running := in.running()
	slices.Reverse(running)
	var errs []error
	for _, p := range running {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// running are the processes that have not ended.
func (in *installation) running() []*program {
	return slices.DeleteFunc(in.all(), func(p *program) bool { return !p.running() })
}

// died are those that have ended by themselves.
func (in *installation) died() []*program {
	return slices.DeleteFunc(in.all(), func(p *program) bool { return !p.died() })
}

// all are the last processes of all roles, in the order of their start.
func (in *installation) all() []*program {
	in.mu.Lock()
	defer in.mu.Unlock()
	var list []*program
	for _, role := range in.form.roles {
		if p := in.programs[role]; p != nil {
			list = append(list, p)
		}
	}
	return list
}

// close ends what runs and gives everything back but the logs.
func (in *installation) close() error {
	err := in.kill(in.form.roles...)
	for _, l := range in.lines {
		l.close()
	}
	in.client.CloseIdleConnections()
	if in.disk != nil {
		err = errors.Join(err, in.disk.close())
	}
	return err
}

const (
	askTimeout = 10 * time.Second
	// maxAnswer is far above what a page of the API holds.
	maxAnswer = 64 << 20
)

// get asks with the administrator's token and returns the body of a 200.
func (in *installation) get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := in.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers with %s: %.200s", url, response.Status, body)
	}
	return body, err
}

// ready returns nil where roles say that they are ready.
func (in *installation) ready(ctx context.Context, roles ...string) error {
	places := map[string][]string{
		roleAll:       {"http://" + in.settings["VERDICT_HTTP_ADDR"] + "/readyz", in.api() + "/readyz"},
		roleReceiver:  {"http://" + in.settings["VERDICT_HTTP_ADDR"] + "/readyz"},
		roleBroker:    {"http://" + in.settings["VERDICT_HTTP_ADDR"] + "/readyz"},
		roleAPI:       {in.api() + "/readyz"},
		roleLifecycle: {"http://" + in.own[roleLifecycle]["VERDICT_METRICS_ADDR"] + "/livez"},
		roleProjector: {"http://" + in.own[roleProjector]["VERDICT_METRICS_ADDR"] + "/livez"},
	}
	for _, role := range roles {
		for _, place := range places[role] {
			if _, err := in.get(ctx, place); err != nil {
				return err
			}
		}
	}
	return nil
}

// The ports lie below those that systems give to outgoing connections: else one of these might
// take the port of a process that is just being started again.
const (
	firstPort = 10240
	lastPort  = 32767
	portTries = 1000
)

func freeAddr() (string, error) {
	for range portTries {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		if listener, err := net.Listen("tcp", addr); err == nil {
			return addr, listener.Close()
		}
	}
	return "", errors.New("no port is free")
}
