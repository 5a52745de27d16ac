package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/services/doctor"
)

type doctorCommand struct {
	Only     []string      `help:"Checks to do, by name; otherwise all." placeholder:"CHECK"`
	Archive  string        `help:"Directory of the archive; otherwise archive in the data directory." type:"path" placeholder:"DIR"`
	Settle   time.Duration `default:"2s" help:"Pause before a second look at what looks wrong."`
	JSON     bool          `name:"json" help:"Print the report as JSON."`
	Quiet    bool          `help:"Show no progress."`
	Settings kong.Plugins  `embed:""`
}

// Help is shown by `verdict doctor --help`.
func (*doctorCommand) Help() string {
	return `Compares streams, states, read model, dead letters and keys of a Verdict that runs, and finds out how
every accepted delivery that is still kept has ended. It changes nothing. Traffic may go on: what
is under way is looked at twice. The exit status is 0 only if nothing was found.

Run it on the machine and with the settings of the services: it reads the databases, the spool in the data
directory and, with the master key, the keys. It needs one byte of memory for each delivery that is kept, and
some space for temporary files.

Checks: ` + strings.Join(doctor.Names, ", ") + `

Examples:
  verdict doctor
  verdict doctor --only deliveries --only states --json
  verdict doctor --data-dir /var/lib/verdict --nats-url nats://admin:PASSWORD@nats:4222`
}

// Run looks and reports. The error is what kept it from looking, or that something was found.
func (cmd *doctorCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	keys, err := o.cfg.openKeys()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	shown := &progress{quiet: cmd.Quiet}
	report, err := doctor.Run(ctx, doctor.Config{
		Bus: o.bus, Store: o.place().location(), Providers: o.providers, Retention: o.place().retention, Streams: o.place().streamSettings(),
		Keys: keys, NoKeyDir: keys == nil && o.cfg.MasterKey.IsSet(), KeyDir: o.cfg.KeyDir,
		SpoolDir: filepath.Join(o.cfg.DataDir, "spool"), ArchiveDir: archiveDir(o.cfg, cmd.Archive),
		Only: cmd.Only, Settle: cmd.Settle, Progress: func(what string, done, total uint64) { shown.show("read "+what, done, total) },
	})
	shown.end()
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted: nothing was changed")
	}
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = writeIndented(out, report)
	} else {
		err = writeDoctorReport(out, report)
	}
	if err != nil {
		return err
	}
	if n := report.Findings(); n > 0 {
		return fmt.Errorf("%d things are not as they should be", n)
	}
	return nil
}

func writeDoctorReport(out io.Writer, report *doctor.Report) error {
	var b strings.Builder
	for i := range report.Checks {
		c := &report.Checks[i]
		fmt.Fprintf(&b, "%-8s %-10s %s", c.State, c.Name, c.Title)
		switch {
		case c.Count > 0:
			fmt.Fprintf(&b, " (%d looked at, %d are not so)\n", c.Looked, c.Count)
		case c.State == doctor.Well:
			fmt.Fprintf(&b, " (%d)\n", c.Looked)
		default:
			b.WriteString("\n")
		}
		for _, example := range c.Examples {
			fmt.Fprintf(&b, "           - %s\n", example)
		}
		if more := c.Count - min(c.Count, uint64(len(c.Examples))); more > 0 {
			fmt.Fprintf(&b, "           - and %d more\n", more)
		}
		for _, mend := range c.Mend {
			fmt.Fprintf(&b, "           → %s\n", mend)
		}
		for _, note := range c.Notes {
			fmt.Fprintf(&b, "           %s\n", note)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// place is where the installation keeps things, and for how long.
func (o *operator) place() *process { return &process{cfg: o.cfg, providers: o.providers} }

// streamSettings are what the streams are set to.
func (p *process) streamSettings() bus.StreamSettings {
	return bus.StreamSettings{Retention: p.longestRetention(), DeduplicationWindow: p.cfg.DeduplicationWindow, Replicas: p.cfg.Replicas}
}

// progress shows on one line of the standard error how far work is, twice a second at most.
type progress struct {
	quiet bool
	last  time.Time
	shown bool
}

const progressPause = 500 * time.Millisecond

func (p *progress) show(what string, done, total uint64) {
	if p.last.IsZero() {
		p.last = time.Now() // What takes less needs none.
	}
	if p.quiet || time.Since(p.last) < progressPause {
		return
	}
	p.last, p.shown = time.Now(), true
	if total > 0 {
		fmt.Fprintf(os.Stderr, "\r%s: %d of %d (%d %%)   ", what, done, total, min(100*done/total, 100))
		return
	}
	fmt.Fprintf(os.Stderr, "\r%s: %d   ", what, done)
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(os.Stderr)
	}
	p.shown = false
}
