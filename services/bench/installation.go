package bench

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/services/bench/baseline"
)

// The processes that there are. The first six are parts of Verdict; ingest is
// its receiver with a broker in one process, and nothing else. The keeper keeps a disk slow.
const (
	roleUp        = "up"
	roleIngest    = "ingest"
	roleReceiver  = "receiver"
	roleLifecycle = "lifecycle"
	roleProjector = "projector"
	roleAPI       = "api"
	roleBroker    = "broker"
	roleRoofline  = "roofline"
	roleKeeper    = "keeper"
)

// What every installation is set to.
const (
	masterKey  = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	adminToken = "bench-admin"
)

// installation is a Verdict, or a baseline, with a directory and addresses of its own.
type installation struct {
	bench *bench
	dir   string
	http  string
	api   string
	nats  string

	processes []*process
	reader    *baseline.Reader
	// slow is what is added to each sync of the disk, none where it is negative.
	slow time.Duration
}

// install makes one in a new directory; nothing runs yet.
func (b *bench) install(name string) (*installation, error) {
	dir, err := os.MkdirTemp(b.dir, name+"-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	in := &installation{bench: b, dir: dir, slow: -1}
	for _, addr := range []*string{&in.http, &in.api, &in.nats} {
		if *addr, err = freeAddr(); err != nil {
			return nil, err
		}
	}
	b.installations = append(b.installations, in)
	return in, nil
}

func (in *installation) data() string { return filepath.Join(in.dir, "data") }

// broker is the address of the broker, with the password that it made when it began.
func (in *installation) broker() (string, error) {
	password, err := baseline.Password(in.data())
	if err != nil {
		return "", err
	}
	return baseline.URL(in.nats, password), nil
}

// start starts a process and returns once it is ready, with how long that took.
func (in *installation) start(ctx context.Context, role string, more ...string) (*process, time.Duration, error) {
	metrics, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	env := []string{
		"VERDICT_DATA_DIR=" + in.data(), "VERDICT_HTTP_ADDR=" + in.http, "VERDICT_API_ADDR=" + in.api, "VERDICT_NATS_ADDR=" + in.nats,
		"VERDICT_MASTER_KEY=" + masterKey, "VERDICT_ADMIN_TOKEN=" + adminToken, "VERDICT_METRICS_ADDR=" + metrics,
		"VERDICT_SECRET_" + strings.ToUpper(in.bench.Provider.Name) + "=" + in.bench.webhooks.secret,
	}
	if slices.ContainsFunc(in.processes, func(p *process) bool { return p.name == roleBroker }) {
		broker, err := in.broker()
		if err != nil {
			return nil, 0, err
		}
		env = append(env, "VERDICT_NATS_URL="+broker)
	}
	command := append([]string{in.bench.binary, "bench-serve", role, "--provider", in.bench.Provider.Name}, more...)
	var socket *os.File
	if in.slow >= 0 {
		if socket, err = in.keeper(); err != nil {
			return nil, 0, err
		}
		defer socket.Close()
		command = append(command, "--slow-disk")
	}
	begun := time.Now()
	p, err := spawn(role, in.dir, command, env, socket)
	if err != nil {
		return nil, 0, err
	}
	in.processes = append(in.processes, p)
	switch role {
	case roleUp:
		if _, err = p.ready(ctx, "http://"+in.http+"/readyz"); err == nil {
			_, err = p.ready(ctx, "http://"+in.api+"/readyz")
		}
	case roleIngest, roleReceiver, roleRoofline:
		_, err = p.ready(ctx, "http://"+in.http+"/readyz")
	case roleAPI:
		_, err = p.ready(ctx, "http://"+in.api+"/readyz")
	case roleBroker:
		err = in.brokerReady(ctx, p)
	default:
		_, err = p.ready(ctx, "http://"+metrics+"/livez")
	}
	return p, time.Since(begun), err
}

// brokerReady waits until a broker of its own can be asked.
func (in *installation) brokerReady(ctx context.Context, p *process) error {
	for begun := time.Now(); ; {
		if err := in.connect(); err == nil {
			return nil
		}
		if err := p.pause(ctx, begun); err != nil {
			return err
		}
	}
}

// connect opens a connection to the broker, which is kept.
func (in *installation) connect() error {
	if in.reader != nil {
		in.reader.Close()
		in.reader = nil
	}
	broker, err := in.broker()
	if err != nil {
		return err
	}
	in.reader, err = baseline.Connect(broker)
	return err
}

// load returns a load for this installation.
func (in *installation) load(connections int) load {
	return load{addr: in.http, webhooks: in.bench.webhooks, connections: connections}
}

// end ends one process.
func (in *installation) end(p *process, kill bool) {
	if kill {
		p.kill()
	} else {
		p.stop()
	}
	in.processes = slices.DeleteFunc(in.processes, func(other *process) bool { return other == p })
}

// remove ends everything and removes the directory.
func (in *installation) remove() {
	if in.reader != nil {
		in.reader.Close()
		in.reader = nil
	}
	for _, p := range slices.Backward(in.processes) {
		p.kill()
	}
	in.processes = nil
	_ = os.RemoveAll(in.dir) // What is left is below the directory of the run.
}

// drainPatience is how long not one more message may be processed before that is an error.
const drainPatience = 30 * time.Second

const drainPause = 20 * time.Millisecond

// await asks again and again how much is left until nothing is.
func await(ctx context.Context, what string, left func() (int, error)) error {
	last, least := time.Now(), -1
	for {
		n, err := left()
		switch {
		case err != nil && time.Since(last) > drainPatience:
			return fmt.Errorf("%s: %w", what, err)
		case err != nil:
		case n <= 0:
			return nil
		case least < 0 || n < least:
			last, least = time.Now(), n
		case time.Since(last) > drainPatience:
			return fmt.Errorf("%s: %d are left and none more were done within %v", what, n, drainPatience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drainPause):
		}
	}
}

// stored waits until so many webhooks are in their stream.
func (in *installation) stored(ctx context.Context, count int) error {
	return await(ctx, "webhooks that are not in the stream", func() (int, error) { return in.behind(ctx, bus.Webhooks, count) })
}

// decided waits until so many webhooks have led to an event.
func (in *installation) decided(ctx context.Context, count int) error {
	return await(ctx, "webhooks without an event", func() (int, error) { return in.behind(ctx, bus.Verifications, count) })
}

func (in *installation) behind(ctx context.Context, stream string, count int) (int, error) {
	have, err := in.reader.Count(ctx, stream)
	return count - have, err
}

// projected are the durable positions of the projector in the streams that a load fills.
var projected = map[string]string{bus.Verifications: "projector-verifications", bus.Webhooks: "projector-webhooks"}

// shown waits until everything in the streams is in the read model.
func (in *installation) shown(ctx context.Context) error {
	return await(ctx, "messages that are not in the read model", func() (int, error) { return in.unprojected(ctx) })
}

func (in *installation) unprojected(ctx context.Context) (int, error) {
	sum := 0
	for stream, durable := range projected {
		n, err := in.reader.Pending(ctx, stream, durable)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// drained waits until so many webhooks are through everything.
func (in *installation) drained(ctx context.Context, count int) error {
	return errors.Join(in.decided(ctx, count), in.shown(ctx))
}

// newSecret is what the webhooks of one run are signed with.
func newSecret(random []byte) string { return hex.EncodeToString(random) }
