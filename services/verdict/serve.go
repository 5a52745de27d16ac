package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// The commands that serve. Each runs until it is interrupted; what is under way is finished
// first, and the next start goes on from there.
type (
	upCommand struct {
		Settings kong.Plugins `embed:""`
	}
	receiverCommand struct {
		Settings kong.Plugins `embed:""`
	}
	lifecycleCommand struct {
		Settings kong.Plugins `embed:""`
	}
	projectorCommand struct {
		Settings kong.Plugins `embed:""`
	}
	apiCommand struct {
		Settings kong.Plugins `embed:""`
	}
)

// Help is shown by `verdict up --help`.
func (*upCommand) Help() string {
	return `Runs everything in one process: an in-process NATS server with JetStream on disk,
SQLite, and every service. Nothing else is needed.

Examples:
  verdict up --dev
      Try it: loopback only, secrets and keys are made in the data directory.
  VERDICT_MASTER_KEY_FILE=/run/secrets/master VERDICT_ADMIN_TOKEN_FILE=/run/secrets/admin \
  VERDICT_SECRET_IDENFY_FILE=/run/secrets/idenfy verdict up --http-addr :8080
      Serve one provider.`
}

// Help is shown by `verdict receiver --help`.
func (*receiverCommand) Help() string {
	return `Takes webhooks: verifies, seals, stores durably, answers. Needs the NATS server that the
processes share.

Example:
  VERDICT_NATS_URL=nats://admin:PASSWORD@nats:4222 verdict receiver --http-addr :8080`
}

// Help is shown by `verdict lifecycle --help`.
func (*lifecycleCommand) Help() string {
	return `Turns deliveries into verdicts. A second process waits until the first has given up its
lease, so one can stand by.

Example:
  VERDICT_NATS_URL=nats://admin:PASSWORD@nats:4222 \
  VERDICT_DATABASE_URL=postgres://verdict:PASSWORD@db/verdict verdict lifecycle`
}

// Help is shown by `verdict projector --help`.
func (*projectorCommand) Help() string {
	return `Keeps the read models. Needs the keys, since it seals the claims.

Example:
  VERDICT_NATS_URL=nats://admin:PASSWORD@nats:4222 \
  VERDICT_DATABASE_URL=postgres://verdict:PASSWORD@db/verdict verdict projector`
}

// Help is shown by `verdict api --help`.
func (*apiCommand) Help() string {
	return `Answers questions from the read models. With the master key and the key directory it
shows claims, without them everything else.

Example:
  VERDICT_DATABASE_URL=postgres://verdict:PASSWORD@db/verdict verdict api --api-addr :8081`
}

func (*upCommand) Run(w io.Writer, f *settingFlags, p []provider.Provider) error {
	return serve(RoleAll, w, f, p)
}

func (*receiverCommand) Run(w io.Writer, f *settingFlags, p []provider.Provider) error {
	return serve(RoleReceiver, w, f, p)
}

func (*lifecycleCommand) Run(w io.Writer, f *settingFlags, p []provider.Provider) error {
	return serve(RoleLifecycle, w, f, p)
}

func (*projectorCommand) Run(w io.Writer, f *settingFlags, p []provider.Provider) error {
	return serve(RoleProjector, w, f, p)
}

func (*apiCommand) Run(w io.Writer, f *settingFlags, p []provider.Provider) error {
	return serve(RoleAPI, w, f, p)
}

// serve loads the settings and runs the role until the process is interrupted. A second
// interrupt ends it at once.
func serve(role Role, out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	cfg := flags.load()
	if err := cfg.Validate(role); err != nil {
		return fmt.Errorf("these settings do not work:\n%w", err)
	}
	if cfg.Dev {
		if err := cfg.UseDev(); err != nil {
			return err
		}
	}
	tune()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return newProcess(role, cfg, providers, out).run(ctx)
}
