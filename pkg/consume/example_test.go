package consume_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/nats-io/nats.go"

	"github.com/verdict-stream/verdict/pkg/consume"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// A program that prints decisions, and knows for a while which it has printed.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	conn, err := nats.Connect("nats://127.0.0.1:4222", nats.UserCredentials("team.creds"), nats.MaxReconnects(-1))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer conn.Close()
	err = consume.Run(ctx, consume.Config{
		Conn: conn, Name: "decisions", Start: consume.FromBeginning(),
		Filter: consume.Filter{Scopes: []verification.Scope{verification.Case}},
	}, consume.Once(consume.NewMemory(100_000), func(_ context.Context, e consume.Event) error {
		if e.Final {
			fmt.Println(e.ID, e.Status)
		}
		return nil
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
