package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
)

type heldCommand struct {
	List     heldListCommand    `cmd:"" help:"List what waits for a decision."`
	Show     heldShowCommand    `cmd:"" help:"Show one held delivery."`
	Release  heldReleaseCommand `cmd:"" help:"Let held deliveries go on their way."`
	Discard  heldDiscardCommand `cmd:"" help:"Give held deliveries up."`
	Settings kong.Plugins       `embed:""`
}

// Help is shown by `verdict held --help`.
func (*heldCommand) Help() string {
	return `A delivery that its provider does not sign is held, sealed, until somebody decides: release folds it as
if it had been accepted, discard gives it up. The handshake of an endpoint is held too; it can only be
shown and discarded, and no URL in it is ever fetched.

Examples:
  verdict held list
  verdict held show 3 --reveal
  verdict held release 3
  verdict held release --provider treezor --since 24h
  verdict held discard 4 --reason "nobody asked for this endpoint"`
}

// heldFilter chooses among held deliveries.
type heldFilter struct {
	Provider string `help:"Only deliveries of this provider." placeholder:"NAME"`
	Event    string `help:"Only this event, as the list shows it." placeholder:"NAME"`
	Delivery string `help:"Only the delivery of this id." placeholder:"ID"`
	Since    moment `help:"Only what is held since this time or later: RFC 3339, or how long ago, as 90m." placeholder:"TIME"`
	Until    moment `help:"Only what was held before this time." placeholder:"TIME"`
}

func (f *heldFilter) filter() held.Filter {
	return held.Filter{Provider: f.Provider, Event: f.Event, Delivery: f.Delivery, Since: f.Since.Time, Until: f.Until.Time}
}

// check refuses names that cannot be meant.
func (f *heldFilter) check(o *operator) error {
	if f.Provider == "" {
		return nil
	}
	_, err := findProvider(o.providers, f.Provider)
	return err
}

// openHeld connects an operator who decides about held deliveries.
func openHeld(flags *settingFlags, providers []provider.Provider) (ctx context.Context, o *operator, d *held.Desk, stop func(), err error) {
	if ctx, o, stop, err = attend(flags, providers); err != nil {
		return nil, nil, nil, nil, err
	}
	keys, err := o.cfg.openKeys()
	if err != nil {
		stop()
		return nil, nil, nil, nil, err
	}
	return ctx, o, &held.Desk{Bus: o.bus, Keys: keys, Providers: o.providers, Retention: o.cfg.retentionOf}, stop, nil
}

// openKeys opens the key directory, if its master key is set or was made by development mode. It never makes one: to an empty directory, whose
// volume may be missing, the services say that it is not the one with the keys. The error is fs.ErrNotExist where there is none.
func (c *Config) openKeys() (*seal.Keyring, error) {
	dev, err := c.UseDevKey()
	if err != nil {
		return nil, err
	}
	if !c.MasterKey.IsSet() {
		return nil, nil
	}
	if _, err := os.Stat(filepath.Join(c.KeyDir, "check")); err != nil {
		return nil, fmt.Errorf("%s is no key directory, or its volume is missing: %w; name it with --key-dir", c.KeyDir, err)
	}
	keys, err := seal.Open(c.KeyDir, []byte(c.MasterKey.Reveal()))
	if dev && errors.Is(err, seal.ErrMasterKey) {
		// The data directory is from a trial, and the keys are made with another master key now, which is not set here: there are none
		// here, as without that trial.
		c.MasterKey = Secret{}
		return nil, nil
	}
	return keys, err
}

// heldNext says what to do about an error.
func heldNext(err error) error {
	if errors.Is(err, held.ErrNothing) {
		return fmt.Errorf("%w; `verdict held list` shows what there is", err)
	}
	return deadNext(err)
}

// findHeld returns the numbers of what is named, each once: by its number, or by its id.
func findHeld(ctx context.Context, d *held.Desk, names []string) ([]uint64, error) {
	var numbers []uint64
	for _, name := range names {
		if number, err := strconv.ParseUint(name, 10, 64); err == nil {
			numbers = append(numbers, number)
			continue
		}
		page, err := d.Page(ctx, held.Filter{Delivery: name}, 0, listPage)
		if err != nil {
			return nil, err
		}
		if len(page.Items) == 0 {
			return nil, heldNext(fmt.Errorf("%s: %w", name, held.ErrNothing))
		}
		for i := range page.Items {
			numbers = append(numbers, page.Items[i].Seq)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// retentionOf is how long the deliveries of a provider are kept.
func (c *Config) retentionOf(name string) time.Duration {
	if set := c.Provider(name); set != nil {
		return set.Retention
	}
	return c.Retention
}
