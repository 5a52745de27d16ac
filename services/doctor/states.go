package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// anewAdvice says how a state is mended. Without --accept one that differs from the streams stays in use.
const anewAdvice = "make the state anew: verdict rebuild state --provider %s --accept"

// ahead is a verification whose state has more versions than the stream was found to have.
type ahead struct {
	version  int // that the stream must still get
	provider string
}

// states compares the versions in the lifecycle's states with the streams. A state is written before its events: it may be ahead by what waits in the outbox, or was
// published since.
func (e *examination) states(ctx context.Context) error {
	c := e.checks[States]
	open := map[string]*store.Lifecycle{}
	defer func() {
		for _, l := range open {
			_ = l.Close() // nothing was written
		}
	}()
	var matched uint64
	further := map[string]ahead{}
	for i := range e.Providers {
		provider := e.Providers[i].Name
		l, err := store.OpenLifecycleReader(ctx, e.Store, provider)
		if errors.Is(err, store.ErrNotFound) {
			c.note("there is no state of %s here: it is made from the streams when its lifecycle starts", provider)
			continue
		}
		if err != nil {
			return err
		}
		open[provider] = l
		if err := e.lanes(ctx, l, provider); err != nil {
			return err
		}
		if err := e.versions(ctx, l, provider, &matched, further); err != nil {
			return err
		}
	}
	if err := e.published(ctx, open, further); err != nil {
		return err
	}
	for key, a := range further {
		c.find(key, "%s has version %d in the state of %s, which is neither in the stream nor waits to be published", key, a.version, a.provider)
		c.advise(anewAdvice, a.provider)
	}
	total, err := e.notes.Count(ctx)
	if err != nil || matched == total {
		return err
	}
	return e.notes.Each(ctx, func(k store.Known) error {
		id, sandbox := split(k.Key)
		provider, _, _ := strings.Cut(id, "/")
		l := open[provider]
		if l == nil {
			return nil
		}
		version, err := l.VersionOf(ctx, store.RecordKey{ID: id, Sandbox: sandbox})
		if err == nil && version == 0 {
			e.behind(k, 0, provider)
		}
		return err
	})
}

// lanes compares which streams the state is of.
func (e *examination) lanes(ctx context.Context, l *store.Lifecycle, provider string) error {
	for _, stream := range []string{bus.Verifications, bus.Sandbox} {
		position, err := l.Position(ctx, stream)
		if err != nil {
			return err
		}
		identity, err := e.Bus.StreamIdentity(ctx, stream)
		if err != nil {
			return err
		}
		if position.Stream != "" && position.Stream != identity {
			c := e.checks[States]
			c.find(provider+stream, "the state of %s is of another %s, made at %s", provider, stream, position.Stream)
			c.advise("start `verdict lifecycle` again: it makes the state of %s anew", provider)
		}
	}
	return nil
}

// versions compares all versions of a state.
func (e *examination) versions(ctx context.Context, l *store.Lifecycle, provider string, matched *uint64, further map[string]ahead) error {
	return l.Versions(ctx, func(page []store.Version) error {
		keys := make([]string, len(page))
		for i := range page {
			keys[i] = name(page[i].ID, page[i].Sandbox)
		}
		newest, err := e.notes.Find(ctx, keys)
		if err != nil {
			return err
		}
		for i := range page {
			e.checks[States].looked++
			k, told := newest[keys[i]]
			if told {
				*matched++
			}
			switch {
			case !told && !e.read[streamOf(page[i].Sandbox)].whole:
			case page[i].Version < k.Version:
				e.behind(k, page[i].Version, provider)
			case page[i].Version > k.Version && len(further) < rememberedFindings:
				further[keys[i]] = ahead{page[i].Version, provider}
			}
		}
		return nil
	})
}

func (e *examination) behind(k store.Known, version int, provider string) {
	c := e.checks[States]
	c.find(k.Key, "%s has version %d in the state of %s, its stream has version %d", k.Key, version, provider, k.Version)
	c.advise(anewAdvice, provider)
}

// published takes those out that wait in an outbox, or that the streams have got since they were read.
func (e *examination) published(ctx context.Context, open map[string]*store.Lifecycle, further map[string]ahead) error {
	for key, a := range further {
		id, sandbox := split(key)
		waits, err := open[a.provider].Announced(ctx, streamOf(sandbox), event.VerificationEventID(id, a.version))
		if err != nil {
			return err
		}
		if waits {
			delete(further, key)
		}
	}
	if len(further) == 0 {
		return nil
	}
	for _, stream := range []string{bus.Verifications, bus.Sandbox} {
		_, err := e.Bus.Read(ctx, stream, ">", e.read[stream].last+1, func(m bus.Stored) error {
			data, _, err := decode(m)
			if err != nil {
				return nil //nolint:nilerr // It was found when the streams were read, or is found the next time.
			}
			key := name(data.ID, stream == bus.Sandbox)
			if a, waits := further[key]; waits && data.Version >= a.version {
				delete(further, key)
			}
			return nil
		})
		if err != nil {
			return wrap("read "+stream, err)
		}
	}
	return nil
}

// consumer is what a service reads a stream with.
type consumer struct{ name, stream, filter string }

// consumers are those that an installation has.
func (e *examination) consumers() []consumer {
	var list []consumer
	for i := range e.Providers {
		name := e.Providers[i].Name
		list = append(list, consumer{"lifecycle-" + name, bus.Webhooks, event.WebhookFilter(name)})
	}
	for _, stream := range []string{bus.Verifications, bus.Sandbox, bus.Webhooks, bus.Held, bus.Rejected, bus.Outcomes, bus.Dead} {
		list = append(list, consumer{bus.ReadModelConsumers + strings.ToLower(strings.TrimPrefix(stream, "KYC_")), stream, ""})
	}
	return list
}

// settings compares streams and consumers with what they should be.
func (e *examination) settings(ctx context.Context) error {
	differences, err := e.Bus.CompareStreams(ctx, e.Streams)
	if err != nil {
		return err
	}
	c := e.checks[Streams]
	for _, d := range differences {
		c.find(d.Stream+d.Setting, "%s: %s is %s, want %s", d.Stream, d.Setting, d.Have, d.Want)
		c.advise("a service that starts sets its streams; where it has the same settings as this program and the broker refuses, the difference is in its log")
	}
	byStream := map[string]map[string]bus.Reader{}
	streams, err := e.Bus.Streams(ctx)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		c.looked++
		readers, err := e.Bus.Readers(ctx, stream)
		if err != nil {
			return err
		}
		byStream[stream] = map[string]bus.Reader{}
		for _, r := range readers {
			byStream[stream][r.Name] = r
		}
	}
	for _, want := range e.consumers() {
		r, there := byStream[want.stream][want.name]
		delete(byStream[want.stream], want.name)
		if err := e.consumer(ctx, want, r, there); err != nil {
			return err
		}
	}
	for _, stream := range []string{bus.Verifications, bus.Sandbox} {
		for _, r := range byStream[stream] {
			e.checks[Consumers].note("%s of %s is at %d, %d behind it wait", r.Name, stream, r.Floor, r.Pending)
		}
	}
	return nil
}

// consumer compares one consumer with what it should be.
func (e *examination) consumer(ctx context.Context, want consumer, r bus.Reader, there bool) error {
	c := e.checks[Consumers]
	c.looked++
	switch {
	case !there:
		c.find(want.name, "consumer %s of %s does not exist", want.name, want.stream)
		c.advise("start its service: it makes its consumers")
		return nil
	case !r.Explicit || r.Attempts > 0:
		c.find(want.name, "consumer %s of %s does not ack each message by itself, or gives up after %d attempts", want.name, want.stream, r.Attempts)
		c.advise("delete the consumer while its service is stopped; the service makes it anew and goes on where its tables are")
	case want.filter != "" && (len(r.Filters) != 1 || r.Filters[0] != want.filter):
		c.find(want.name, "consumer %s of %s reads %s, want %s", want.name, want.stream, strings.Join(r.Filters, ", "), want.filter)
		c.advise("start its service again: it sets the filter")
	}
	if r.Next == 0 {
		return nil
	}
	next, err := e.Bus.Get(ctx, want.stream, r.Next)
	if errors.Is(err, bus.ErrNotFound) {
		return nil
	}
	if err == nil && e.now.Sub(next.Time) > stuckAfter {
		c.find(fmt.Sprint("stuck ", want.name, r.Floor), "consumer %s of %s stands at %d, and message %d waits since %s", want.name, want.stream, r.Floor, r.Next,
			next.Time.UTC().Format(timeLayout))
		c.advise("see to it that its service runs, and what its log says")
	}
	return err
}
