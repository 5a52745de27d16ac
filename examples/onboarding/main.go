// Command onboarding is a team's own program: it keeps the status of each of its customers' verifications in a database of its own, and a line
// of news for each change. It begins with the current states, goes on with the events, and may be stopped, or killed, and started again at any
// moment: nothing is missed and nothing is told twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/verdict-stream/verdict/pkg/consume"
	"github.com/verdict-stream/verdict/pkg/verification"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "onboarding:", err)
		os.Exit(1)
	}
}

// run reads until ctx ends.
func run(ctx context.Context) error {
	broker := flag.String("nats", "nats://127.0.0.1:4222", "the broker")
	user := flag.String("user", "admin", "the team's user at the broker")
	passwordFile := flag.String("password-file", "data/nats-admin-password", "a file with its password")
	api := flag.String("api", "http://127.0.0.1:8081", "the API, for the current states")
	token := flag.String("token-file", "", "a file with a token for the API; none in development mode")
	file := flag.String("db", "onboarding.db", "the team's database")
	name := flag.String("name", "onboarding", "the name of the durable consumer")
	premade := flag.Bool("premade", false, "the consumer was made by an administrator")
	flag.Parse()

	password, err := secret(*passwordFile)
	if err != nil {
		return err
	}
	bearer, err := secret(*token)
	if err != nil {
		return err
	}
	customers, err := openCustomers(ctx, *file)
	if err != nil {
		return err
	}
	defer customers.close()
	conn, err := nats.Connect(*broker,
		nats.Name(*name), nats.UserInfo(*user, password),
		nats.CustomInboxPrefix("_INBOX_"+*name),                                              // the one that the team may subscribe to
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(), // whoever is away comes back
	)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()

	return consume.Run(ctx, consume.Config{
		Conn: conn, Name: *name, Premade: *premade,
		Start:    consume.Snapshot(consume.API{URL: *api, Token: bearer}),
		Filter:   consume.Filter{Scopes: []verification.Scope{verification.Case}},
		Identity: customers,
		Attempts: 10,
		GiveUp:   customers.setAside,
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}, func(ctx context.Context, e consume.Event) error {
		news, err := customers.apply(ctx, e)
		if news && err == nil {
			fmt.Printf("%s is %s (version %d)\n", e.ID, e.Status, e.Version)
		}
		return err
	})
}

// secret reads what a file holds, nothing where none is named.
func secret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return "", errors.New("read a secret: " + file + " is empty")
	}
	return strings.TrimSpace(string(text)), nil
}
