//go:build linux

package crash

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// The environment of a broker that is a process of its own.
const (
	brokerDir      = "CRASH_BROKER_DIR"
	brokerAddr     = "CRASH_BROKER_ADDR"
	brokerPassword = "CRASH_BROKER_PASSWORD_FILE"
)

// IsBroker reports whether this process was started to be the broker of a run.
func IsBroker() bool { return os.Getenv(brokerDir) != "" }

// RunBroker runs a broker such as an operator has until it is interrupted: what is acked is on
// disk.
func RunBroker() error {
	server, err := bus.StartServer(bus.ServerConfig{
		Dir: os.Getenv(brokerDir), Addr: os.Getenv(brokerAddr), PasswordFile: os.Getenv(brokerPassword),
	})
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	server.Shutdown()
	return nil
}
