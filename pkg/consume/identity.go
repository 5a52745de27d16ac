package consume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/verdict-stream/verdict/pkg/durable"
)

// Identity remembers one short text for a consumer, at best where the team keeps what it makes of the events. Load returns an empty text where
// there is none yet.
type Identity interface {
	Load(ctx context.Context) (string, error)
	Save(ctx context.Context, identity string) error
}

// IdentityFile keeps it in a file. To forget it, remove the file.
func IdentityFile(path string) Identity { return identityFile(path) }

type identityFile string

func (f identityFile) Load(context.Context) (string, error) {
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// Save replaces the file as a whole.
func (f identityFile) Save(_ context.Context, identity string) error {
	return durable.Replace(string(f), []byte(identity+"\n"))
}

// recognise compares what is read now with what was read before, and tells whether there was anything before.
func (r *run) recognise(ctx context.Context, now string) (begun bool, err error) {
	if r.config.Identity == nil {
		return false, nil
	}
	before, err := r.config.Identity.Load(ctx)
	if err != nil {
		return false, fmt.Errorf("load the identity: %w", err)
	}
	if before != "" && before != now {
		return false, fmt.Errorf("%w: your data is of %s, and this is %s. Versions may count from 1 again: put what you have made of the old one aside, forget the identity, and begin with Snapshot or FromBeginning",
			ErrAnew, before, now)
	}
	return before != "", nil
}

func (r *run) remember(ctx context.Context, begun bool, identity string) error {
	if r.config.Identity == nil || begun {
		return nil
	}
	if err := r.config.Identity.Save(ctx, identity); err != nil {
		return fmt.Errorf("save the identity: %w", err)
	}
	return nil
}
