package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
)

// The streams that teams read.
const (
	Verifications = "KYC_VERIFICATIONS"
	Sandbox       = "KYC_SANDBOX"
)

const (
	defaultWorkers    = 8
	defaultMaxUnacked = 1024
	defaultMaxPerKey  = 64
	defaultAckWait    = 5 * time.Second
	defaultRetryMin   = 250 * time.Millisecond
	defaultRetryMax   = time.Minute
	defaultGrace      = 5 * time.Second
	defaultFetchWait  = 500 * time.Millisecond

	// largestUnacked bounds what is held in memory for one consumer, also where somebody else has made it.
	largestUnacked = 1 << 16
	// requestTimeout bounds one request to the broker or the API.
	requestTimeout = 5 * time.Second
	// flushTimeout bounds how long the last acks may take.
	flushTimeout = time.Second
	// awayMin and awayMax are the pauses between two attempts while the broker or the API is away.
	awayMin, awayMax = 250 * time.Millisecond, 5 * time.Second
	// logInterval is the least time between two lines about handlers that fail.
	logInterval = 10 * time.Second
)

// Config says what to read and how. Conn, Name and, unless Premade is set, Start are needed.
type Config struct {
	// Conn is the team's connection.
	Conn *nats.Conn
	// Name is the durable name of the consumer, the team's own; letters, digits, `-` and `_`. The position is kept under it.
	Name string
	// Premade says that somebody has made the consumer already. Then nothing is asked of the broker for which a team needs a right beyond its
	// own consumer, and Start may only be a Snapshot, or nothing.
	Premade bool
	// Sandbox reads what comes of the providers' test environments instead.
	Sandbox bool
	// Filter chooses events; the zero value is all.
	Filter Filter
	// Start says where to begin. It counts once, where there is no consumer of that name yet.
	Start Start

	// Workers is how many handlers run at once, each for another verification: 8 where it is 0.
	Workers int
	// MaxUnacked bounds the events that are held or wait for another attempt: 1024 where it is 0. A Premade consumer has its own bound.
	MaxUnacked int
	// MaxPerKey bounds the events of one verification that are held: 64 where it is 0. Later ones go back to the broker until there is room.
	MaxPerKey int
	// AckWait is how long after a crash the events come again that were being handled: 5 s where it is 0. Handlers may take longer: the broker
	// is told that they are at it. A Premade consumer has its own.
	AckWait time.Duration
	// RetryMin and RetryMax are the pauses before a failed event is tried again: the first, doubled each time, and the longest. 250 ms and 1 min
	// where they are 0.
	RetryMin, RetryMax time.Duration
	// Grace is how long handlers may go on after the context of Run has ended: 5 s where it is 0.
	Grace time.Duration

	// Attempts is after how many failures in this process an event is given up; 0 is never. It needs GiveUp.
	Attempts int
	// GiveUp gets what will not be handled: events for which the handler returned Permanent, that have failed Attempts times, or that cannot be
	// decoded (ErrUndecodable; then only the event's place is known). It must keep that somewhere: once it returns nil the event does not come
	// again, and the next one of its verification follows. If it returns an error the event is tried again.
	//
	// Without GiveUp nothing is ever given up: such an event is tried again after RetryMax, and later ones of its verification wait.
	GiveUp func(ctx context.Context, e Event, err error) error

	// Identity remembers which stream the team's data is of, so that a stream or consumer that was made anew is noticed at the next start. Nil
	// is not to notice.
	Identity Identity
	// Logger gets what a team should know; nil means slog.Default. Ids of verifications are in its lines, and the handlers' errors.
	Logger *slog.Logger

	stream string
	// fetchWait is how long one request for events stays open, and so how long an idle consumer may take to stop.
	fetchWait time.Duration
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// complete checks the configuration and fills in the defaults. All that is wrong is in the error.
func (c Config) complete(handle Handler) (Config, error) {
	var wrong []error
	check := func(ok bool, text string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(text, args...))
		}
	}
	check(handle != nil, "a handler is needed")
	check(c.Conn != nil, "Conn is needed")
	check(namePattern.MatchString(c.Name), "Name is needed: letters, digits, - and _, at most 64 (it is %q)", c.Name)
	check(c.Workers >= 0 && c.MaxUnacked >= 0 && c.MaxPerKey >= 0 && c.Attempts >= 0, "Workers, MaxUnacked, MaxPerKey and Attempts must not be negative")
	check(c.MaxUnacked <= largestUnacked, "MaxUnacked must be at most %d", largestUnacked)
	check(c.AckWait >= 0 && c.RetryMin >= 0 && c.RetryMax >= 0 && c.Grace >= 0, "AckWait, RetryMin, RetryMax and Grace must not be negative")
	check(c.Attempts == 0 || c.GiveUp != nil, "Attempts needs GiveUp: otherwise events would disappear")
	if c.Premade {
		check(c.Start.kind == startUnset || c.Start.kind == startSnapshot, "Start is decided by whoever made the consumer: leave it out, or use Snapshot")
	} else {
		check(c.Start.kind != startUnset, "Start is needed: FromBeginning, FromTime, FromSequence, FromNow or Snapshot")
	}
	wrong = append(wrong, c.Start.check(), c.Filter.check())
	setDefault(&c.Workers, defaultWorkers)
	setDefault(&c.MaxUnacked, defaultMaxUnacked)
	setDefault(&c.MaxPerKey, defaultMaxPerKey)
	setDefault(&c.AckWait, defaultAckWait)
	setDefault(&c.RetryMin, defaultRetryMin)
	setDefault(&c.RetryMax, max(defaultRetryMax, c.RetryMin))
	setDefault(&c.Grace, defaultGrace)
	setDefault(&c.fetchWait, defaultFetchWait)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.stream = Verifications
	if c.Sandbox {
		c.stream = Sandbox
	}
	return c, errors.Join(wrong...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
