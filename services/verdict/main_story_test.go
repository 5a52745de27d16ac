package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this binary be the programs that the stories run, too: the real main, and a
// broker such as an operator has.
func TestMain(m *testing.M) {
	testscript.Main(surrounded{m}, map[string]func(){
		"verdict":     func() { endWithParent(); main() },
		"nats-server": func() { endWithParent(); runBroker() },
	})
}

// around runs all tests within what they share; a build tag may put something there.
var around = func(run func() int) int { return run() }

type surrounded struct{ *testing.M }

func (s surrounded) Run() int { return around(s.M.Run) }

// lifelineVariable tells a program that its third file ends with the process that started it.
const lifelineVariable = "STORY_LIFELINE"

// endWithParent ends this program when the test is gone, however that ended: a test that was
// killed leaves nothing behind.
func endWithParent() {
	if os.Getenv(lifelineVariable) == "" {
		return
	}
	lifeline := os.NewFile(3, "lifeline")
	go func() {
		_, _ = lifeline.Read(make([]byte, 1))
		os.Exit(1)
	}()
}

// The settings of the broker.
const (
	brokerAddr     = "BROKER_ADDR"
	brokerDir      = "BROKER_DIR"
	brokerPassword = "BROKER_PASSWORD"

	brokerUser = "verdict"
	// brokerPayload is above what the largest webhook needs, as our documents ask of a broker.
	brokerPayload = 4 << 20
)

// runBroker runs a nats-server until it is interrupted.
func runBroker() {
	host, port, err := net.SplitHostPort(os.Getenv(brokerAddr))
	if err != nil {
		fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		fatal(err)
	}
	server, err := natsserver.NewServer(&natsserver.Options{
		Host: host, Port: number, JetStream: true, StoreDir: os.Getenv(brokerDir), SyncAlways: true, MaxPayload: brokerPayload,
		Users: []*natsserver.User{{Username: brokerUser, Password: os.Getenv(brokerPassword)}},
	})
	if err != nil {
		fatal(err)
	}
	server.ConfigureLogger()
	server.Start()
	server.WaitForShutdown()
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
