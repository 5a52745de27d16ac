package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/services/bench/baseline"
	"github.com/verdict-stream/verdict/services/bench/slowdisk"
)

// RoleIngest is the receiver with an in-process server and nothing else, to be measured.
const RoleIngest Role = "ingest"

// benchServeCommand is what `verdict bench` starts: a part of Verdict, or a baseline. It ends
// with its standard input.
type benchServeCommand struct {
	Settings kong.Plugins `embed:""`

	What      string `arg:"" enum:"up,ingest,receiver,lifecycle,projector,api,broker,roofline,keeper"`
	Provider  string `help:"Who sends the webhooks."`
	PprofAddr string `help:"Loopback address on which profiles are served."`

	SlowDisk bool          `help:"Let a keeper, at the other end of descriptor 3, slow down each sync of the disk."`
	SlowBy   time.Duration `help:"What a keeper adds to each sync."`
}

const profileHeaderTimeout = 2 * time.Second

func (cmd *benchServeCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1) // Whoever measured is gone, and so is the reason to be here.
	}()
	if cmd.PprofAddr != "" {
		if err := serveProfiles(cmd.PprofAddr); err != nil {
			return err
		}
	}
	if cmd.SlowDisk {
		if err := slowdisk.Join(); err != nil {
			return err
		}
	}
	switch cmd.What {
	case "keeper":
		return slowdisk.Keep(cmd.SlowBy)
	case "broker", "roofline":
		tune() // What Verdict is compared with has the same.
		return cmd.baseline(flags.load(), providers)
	default:
		return serve(Role(cmd.What), out, flags, providers)
	}
}

// baseline serves what is no part of Verdict, until the process is interrupted.
func (cmd *benchServeCommand) baseline(cfg *Config, providers []provider.Provider) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if cmd.What == "broker" {
		server, err := baseline.StartServer(cfg.DataDir, cfg.NATSAddr)
		if err != nil {
			return err
		}
		<-ctx.Done()
		server.Shutdown()
		return nil
	}
	sender, err := findProvider(providers, cmd.Provider)
	if err != nil {
		return err
	}
	set := cfg.Provider(sender.Name)
	if !set.Served() {
		return fmt.Errorf("there is no secret for %s", sender.Name)
	}
	return baseline.Roofline(ctx, baseline.RooflineConfig{
		Dir: cfg.DataDir, Addr: cfg.HTTPAddr, Header: sender.Scheme.Header, Prefix: sender.Scheme.Prefix, Secret: set.Secrets[0].Reveal(),
	})
}

// serveProfiles serves profiles of this process to this machine.
func serveProfiles(addr string) error {
	if !isLoopback(addr) {
		return errors.New("profiles are served on loopback addresses only")
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("serve profiles: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: profileHeaderTimeout}
	go func() { _ = server.Serve(listener) }() // It ends with the process.
	return nil
}
