package main

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider/all"
)

// form is a way to run Verdict.
type form struct {
	name string
	// roles are the processes, in the order in which they are started.
	roles []string
	// database makes an empty database and returns its URL; nil is SQLite.
	database func(testing.TB) string
}

const broker = "nats-server"

var (
	allInOne = form{name: "up", roles: []string{string(RoleAll)}}
	split    = form{name: "split", roles: []string{broker, string(RoleReceiver), string(RoleLifecycle), string(RoleProjector), string(RoleAPI)}}

	// forms are those that every story is run in.
	forms = []form{allInOne, split}
)

// What every installation of the tests is set to.
const (
	storyMasterKey  = "0123456789abcdef0123456789abcdef"
	storyAdminToken = "admin-7b0c52de91"
)

// storySecrets are what the providers sign with. Two are active for one of them.
var storySecrets = map[string]string{
	"yousign": "ys-41c7e0a95d2b86f3", "idenfy": "id-9f20d6b1c83e457a,id-0b64e8d2f1a97c35",
	"kycaid": "kc-d85a03f7e1b62c94", "treezor": "tz-62b9f4e07c1da358",
}

// installation is a Verdict of its own, in one of the forms: its directory, its settings and
// its processes. Webhooks may be sent by several goroutines while another one starts and stops.
type installation struct {
	form     form
	dir      string
	settings map[string]string
	password string // of the broker, where it is a process of its own

	client *http.Client

	mu       sync.Mutex
	starts   int
	programs map[string]*program // the last one of each role
	taken    []taken
}

// newInstallation makes one in an empty directory; nothing runs yet.
func newInstallation(t testing.TB, f form, dir string) (*installation, error) {
	in := &installation{
		form: f, dir: dir, password: "broker-5c2e", programs: map[string]*program{},
		client: &http.Client{Timeout: deadline, Transport: &http.Transport{}},
	}
	in.settings = map[string]string{
		"VERDICT_DATA_DIR":    in.data(),
		"VERDICT_MASTER_KEY":  base64.StdEncoding.EncodeToString([]byte(storyMasterKey)),
		"VERDICT_ADMIN_TOKEN": storyAdminToken,
		"VERDICT_LOG_LEVEL":   "debug",
		"VERDICT_DEADLINES":   farDeadlines(),
	}
	for name, secret := range storySecrets {
		in.settings["VERDICT_SECRET_"+strings.ToUpper(name)] = secret
	}
	names := []string{"VERDICT_HTTP_ADDR", "VERDICT_API_ADDR", "VERDICT_NATS_ADDR"}
	for _, role := range f.roles {
		names = append(names, metricsOf(role))
	}
	for _, name := range names {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		in.settings[name] = addr
	}
	if slices.Contains(f.roles, broker) {
		in.settings["VERDICT_NATS_URL"] = "nats://" + brokerUser + ":" + in.password + "@" + in.settings["VERDICT_NATS_ADDR"]
	}
	if f.database != nil {
		in.settings["VERDICT_DATABASE_URL"] = f.database(t)
	}
	return in, errors.Join(os.MkdirAll(in.data(), 0o700), os.MkdirAll(filepath.Join(dir, "logs"), 0o700))
}

// farDeadlines lets no review become overdue. The samples are of the past: else one more event
// would come at some time.
func farDeadlines() string {
	var list []string
	for _, p := range all.Providers() {
		for _, kind := range p.Kinds {
			list = append(list, p.Name+"/"+kind.Name+"=876000h")
		}
	}
	return strings.Join(list, ",")
}

func (in *installation) data() string { return filepath.Join(in.dir, "data") }

// metricsOf names what holds the address of a process's own metrics.
func metricsOf(role string) string { return "STORY_METRICS_" + strings.ToUpper(role) }

// environment is what a process is started with.
func (in *installation) environment(role string, more ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(in.settings)) {
		env = append(env, name+"="+in.settings[name])
	}
	env = append(env, "VERDICT_METRICS_ADDR="+in.settings[metricsOf(role)])
	if role == broker {
		env = append(env, brokerAddr+"="+in.settings["VERDICT_NATS_ADDR"], brokerDir+"="+filepath.Join(in.data(), "nats"),
			brokerPassword+"="+in.password)
	}
	return append(env, more...)
}

// start starts the processes of the form that do not run, and waits until webhooks and
// questions are answered.
func (in *installation) start() error {
	for _, role := range in.form.roles {
		if p := in.program(role); p != nil && p.running() {
			continue
		}
		if err := in.startRole(role); err != nil {
			return err
		}
	}
	for _, address := range []string{"VERDICT_HTTP_ADDR", "VERDICT_API_ADDR"} {
		err := in.within("be ready", func() error {
			status, _, err := in.get("http://" + in.settings[address] + "/readyz")
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("readyz: %d", status)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// startRole starts one process, with more in its environment than the settings.
func (in *installation) startRole(role string, more ...string) error {
	name, args := "verdict", []string{role}
	if role == broker {
		name, args = broker, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.starts++
	files := filepath.Join(in.dir, "logs", fmt.Sprintf("%02d-%s", in.starts, role))
	p, err := startProgram(role, path, args, in.environment(role, more...), files)
	if err != nil {
		return fmt.Errorf("start %s: %w", role, err)
	}
	in.programs[role] = p
	return nil
}

// program is the last process of a role, nil where none was started.
func (in *installation) program(role string) *program {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.programs[role]
}

// running are the processes that have not ended.
func (in *installation) running() []*program {
	in.mu.Lock()
	defer in.mu.Unlock()
	var list []*program
	for _, role := range in.form.roles {
		if p := in.programs[role]; p != nil && p.running() {
			list = append(list, p)
		}
	}
	return list
}

// stop interrupts all processes at once, the broker last; each must end well.
func (in *installation) stop() error {
	var stopping sync.WaitGroup
	running := in.running()
	errs := make([]error, len(running))
	for i, p := range running {
		if p.role != broker {
			stopping.Go(func() { errs[i] = p.stop() })
		}
	}
	stopping.Wait()
	if p := in.program(broker); p != nil && p.running() {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// kill ends all processes as a power failure does.
func (in *installation) kill() error {
	var errs []error
	for _, p := range in.running() {
		errs = append(errs, p.kill())
	}
	in.client.CloseIdleConnections()
	return errors.Join(errs...)
}

const (
	// deadline is how long anything that must happen may take.
	deadline = time.Minute
	// pollPause is between two looks at whether it has.
	pollPause = 20 * time.Millisecond
)

// within repeats do until it returns no error. Its error is the last one, with the ends of the logs.
func (in *installation) within(what string, do func() error) error {
	begun := time.Now()
	for {
		err := do()
		if err == nil {
			return nil
		}
		for _, role := range in.form.roles {
			if p := in.program(role); p != nil && p.failed() {
				return fmt.Errorf("%s: %w; %s ended with %v%s", what, err, role, p.cmd.ProcessState, in.tails())
			}
		}
		if time.Since(begun) > deadline {
			return fmt.Errorf("%s: not within %v: %w%s", what, deadline, err, in.tails())
		}
		time.Sleep(pollPause)
	}
}

func (in *installation) tails() string {
	var b strings.Builder
	for _, role := range in.form.roles {
		if p := in.program(role); p != nil {
			b.WriteString(p.tail())
		}
	}
	return b.String()
}

// The ports of the installations lie below those that systems give to outgoing connections: else
// one of these might take the port of a process that is just being started again.
const (
	firstPort = 10240
	lastPort  = 32767
)

var nextPort atomic.Int64

func init() { nextPort.Store(rand.Int64N(lastPort - firstPort)) }

// freeAddr returns an address that nobody listens on, another one each time.
func freeAddr() (string, error) {
	for range lastPort - firstPort {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+nextPort.Add(1)%(lastPort-firstPort))
		listener, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, listener.Close()
		}
	}
	return "", errors.New("no port is free")
}

// remove deletes what lies in the data directory under a pattern.
func (in *installation) remove(pattern string) error {
	files, err := filepath.Glob(filepath.Join(in.data(), pattern))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no %s", pattern)
	}
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// readModelTables are those of a read model that is kept in PostgreSQL.
const readModelTables = "verification, verification_event, unknown_value, delivery, claims, progress, schema_version_readmodel"

// loseReadModel deletes the tables that are read, while nothing runs.
func (in *installation) loseReadModel(t *testing.T) {
	t.Helper()
	if in.form.database == nil {
		must(t, in.remove("readmodel*.db*"))
		return
	}
	db, err := sql.Open("pgx", in.settings["VERDICT_DATABASE_URL"])
	must(t, err)
	_, err = db.ExecContext(t.Context(), "DROP TABLE "+readModelTables)
	must(t, errors.Join(err, db.Close()))
}

// eachForm runs a test in every form.
func eachForm(t *testing.T, test func(*testing.T, *installation)) {
	t.Helper()
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			test(t, startInstallation(t, f))
		})
	}
}

// eachInFiles runs a test in every form that keeps its databases in files.
func eachInFiles(t *testing.T, test func(*testing.T, *installation)) {
	t.Helper()
	t.Parallel()
	for _, f := range forms {
		if f.database == nil {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				test(t, startInstallation(t, f))
			})
		}
	}
}
