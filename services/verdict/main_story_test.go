package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
)

// TestMain lets this binary be the programs that the stories run, too: the real main, and a
// broker such as an operator has.
func TestMain(m *testing.M) {
	testscript.Main(surrounded{m}, map[string]func(){
		"verdict":     func() { endWithParent(); os.Exit(run(os.Args[1:], storyProviders(), os.Stdout, os.Stderr)) },
		"nats-server": func() { endWithParent(); runBroker() },
	})
}

// poisonVariable names a provider whose folder is broken: "NAME" decodes nothing, and "NAME:unhandled" knows no event.
const poisonVariable = "STORY_POISON"

// olderVariable names a provider whose decoder is of an older version: it takes what is approved for rejected, and cannot read every
// second body.
const olderVariable = "STORY_OLDER"

// older is what that version reads.
func older(decode func(provider.Delivery) (provider.Decoded, error)) func(provider.Delivery) (provider.Decoded, error) {
	return func(d provider.Delivery) (provider.Decoded, error) {
		decoded, err := decode(d)
		if err == nil && sha256.Sum256(d.Body)[0]%2 == 0 {
			return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseInvalidJSON, Detail: "not yet"}
		}
		for i := range decoded.Elements {
			s := &decoded.Elements[i].Signal
			s.Decoder--
			s.Says = strings.Replace(s.Says, "approved", "rejected", 1)
		}
		return decoded, err
	}
}

// storyProviders are those of the real main, one of them broken or older where that is asked for.
func storyProviders() []provider.Provider {
	providers := slices.Clone(all.Providers())
	for i := range providers {
		if providers[i].Name == os.Getenv(olderVariable) {
			providers[i].Decode = older(providers[i].Decode)
		}
	}
	name, how, _ := strings.Cut(os.Getenv(poisonVariable), ":")
	for i := range providers {
		if providers[i].Name != name {
			continue
		}
		providers[i].Decode = func(provider.Delivery) (provider.Decoded, error) {
			if how == "unhandled" {
				return provider.Decoded{}, provider.ErrUnhandled
			}
			return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseInvalidJSON, Detail: "not by this version"}
		}
	}
	return providers
}

// around runs all tests within what they share; a build tag may put something there.
var around = func(run func() int) int { return run() }

type surrounded struct{ *testing.M }

// atOnce is how many stories run at a time where -parallel says nothing: they wait for disks and timers more than they compute.
const atOnce = "4"

func (s surrounded) Run() int {
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return around(s.M.Run)
}

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
