package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
)

// contents are all messages of a stream without the parts that only a connection knows.
func contents(t *testing.T, b *Bus, stream string) []Stored {
	t.Helper()
	var all []Stored
	if _, err := b.Read(t.Context(), stream, allSubjects, 1, func(m Stored) error {
		all = append(all, m)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func backUp(t *testing.T, b *Bus, stream string) (Snapshot, []byte) {
	t.Helper()
	var copied bytes.Buffer
	s, err := b.Backup(t.Context(), stream, &copied)
	if err != nil {
		t.Fatal(err)
	}
	return s, copied.Bytes()
}

// A restored stream has the messages with their sequences and times, the gaps between them, its consumers and its identity.
func TestBackupAndRestore(t *testing.T) {
	from := newTestBus(t)
	for i := range 3000 {
		publish(t, from, "kyc.webhook.idenfy.x", fmt.Sprint(i), strings.Repeat("x", 700))
	}
	stream, err := from.js.Stream(t.Context(), Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Trim(t.Context(), Webhooks, 10); err != nil {
		t.Fatal(err)
	}
	for _, gap := range []uint64{20, 21, 3000} {
		if err := stream.DeleteMsg(t.Context(), gap); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan uint64, 5000)
	stop := runConsumers(t, from, Consumer{
		Name: "reader", Stream: Webhooks, Filter: "kyc.webhook.>", Handle: func(_ context.Context, m Stored) error {
			done <- m.Seq
			return nil
		},
	})
	for receive(t, done) != 1000 {
	}
	stop()
	want := contents(t, from, Webhooks)
	identity, err := from.StreamIdentity(t.Context(), Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	before, err := from.StreamState(t.Context(), Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	floor, err := from.AckFloor(t.Context(), Webhooks, "reader")
	if err != nil {
		t.Fatal(err)
	}
	snapshot, copied := backUp(t, from, Webhooks)

	to := connectTestBus(t, Config{Server: startTestServer(t, serverConfig(t.TempDir(), "off"))})
	if err := to.Restore(t.Context(), Webhooks, snapshot, bytes.NewReader(copied)); err != nil {
		t.Fatal(err)
	}
	if err := to.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, to, Webhooks)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	// Whoever kept a position of the stream must find out; what was stored when still belongs to it.
	if got, err := to.StreamIdentity(t.Context(), Webhooks); err != nil || got == identity || snapshot.Identity != identity {
		t.Errorf("identity %s, %v, that of the snapshot %s: was %s", got, err, snapshot.Identity, identity)
	}
	if got, err := to.StreamState(t.Context(), Webhooks); err != nil || !got.Created.Equal(before.Created) {
		t.Errorf("made at %v, %v: want %v", got.Created, err, before.Created)
	}
	if got, err := to.AckFloor(t.Context(), Webhooks, "reader"); err != nil || got.Seq != floor.Seq {
		t.Errorf("floor %v, %v: want %v", got, err, floor)
	}
	if ack := publish(t, to, "kyc.webhook.idenfy.x", "next", "x"); ack.Seq != 3001 {
		t.Errorf("the next message is %d, want 3001", ack.Seq)
	}
	// It is there already.
	if err := to.Restore(t.Context(), Webhooks, snapshot, bytes.NewReader(copied)); err == nil {
		t.Error("an existing stream was restored")
	}
	if err := to.RewindTo(t.Context(), Webhooks, "reader", 500); err != nil {
		t.Fatal(err)
	}
	again := make(chan uint64, 5000)
	stop = runConsumers(t, to, Consumer{
		Name: "reader", Stream: Webhooks, Filter: "kyc.webhook.>", Handle: func(_ context.Context, m Stored) error {
			again <- m.Seq
			return nil
		},
	})
	if first := receive(t, again); first != 501 {
		t.Errorf("a consumer that was rewound to 500 begins with %d", first)
	}
	stop()
}

// A backup that is made while a stream is written holds what was there when it began, and ends nowhere else than behind a message.
func TestBackupUnderLoad(t *testing.T) {
	b := newTestBus(t)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, _ = b.Publish(ctx, testMessage("kyc.v1.idenfy.a.b", fmt.Sprintf("%d-%d", w, i), strings.Repeat("y", 500)))
			}
		})
	}
	defer writers.Wait()
	defer cancel()
	eventually(t, "messages", func() bool {
		state, err := b.StreamState(t.Context(), Verifications)
		return err == nil && state.LastSeq > 2000
	})
	before, err := b.StreamState(t.Context(), Verifications)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, copied := backUp(t, b, Verifications)
	cancel()
	writers.Wait()
	all := contents(t, b, Verifications)

	to := connectTestBus(t, Config{Server: startTestServer(t, serverConfig(t.TempDir(), "off"))})
	if err := to.Restore(t.Context(), Verifications, snapshot, bytes.NewReader(copied)); err != nil {
		t.Fatal(err)
	}
	got := contents(t, to, Verifications)
	if uint64(len(got)) < before.LastSeq {
		t.Fatalf("%d messages, at least %d were there", len(got), before.LastSeq)
	}
	if diff := cmp.Diff(all[:len(got)], got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

var errDisk = errors.New("no space left")

type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestBackupFails(t *testing.T) {
	b := newTestBus(t)
	if _, err := b.Backup(t.Context(), "KYC_NOTHING", io.Discard); !errors.Is(err, ErrNotFound) {
		t.Errorf("no stream: %v", err)
	}
	for i := range 100 {
		publish(t, b, "kyc.v1.idenfy.a.b", fmt.Sprint(i), strings.Repeat("z", 1000))
	}
	if _, err := b.Backup(t.Context(), Verifications, &fullDisk{room: 10}); !errors.Is(err, errDisk) {
		t.Errorf("full disk: %v", err)
	}
	// It can be copied afterwards.
	snapshot, copied := backUp(t, b, Verifications)

	to := connectTestBus(t, Config{Server: startTestServer(t, serverConfig(t.TempDir(), "off"))})
	if err := to.Restore(t.Context(), Verifications, snapshot, bytes.NewReader(copied[:len(copied)/2])); err == nil {
		t.Error("half a copy was restored")
	}
	if names, err := to.Streams(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("there are streams %v, %v", names, err)
	}
	if err := to.Restore(t.Context(), Verifications, snapshot, bytes.NewReader(copied)); err != nil {
		t.Error(err)
	}
	if err := to.DropStream(t.Context(), Verifications); err != nil {
		t.Error(err)
	}
	if err := to.DropStream(t.Context(), Verifications); err != nil {
		t.Errorf("a stream that is not there: %v", err)
	}
}

func TestTrimAndReaders(t *testing.T) {
	b := newTestBus(t)
	for i := range 10 {
		publish(t, b, fmt.Sprintf("kyc.v1.%s.a.b", []string{"idenfy", "kycaid"}[i/8]), fmt.Sprint(i), "x")
	}
	create := func(config jetstream.ConsumerConfig) jetstream.Consumer {
		t.Helper()
		c, err := b.js.CreateConsumer(t.Context(), Verifications, config)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, config := range map[string]jetstream.ConsumerConfig{
		"done": {FilterSubject: "kyc.v1.idenfy.>"}, "half": {FilterSubjects: []string{"kyc.v1.idenfy.>", "kyc.v1.kycaid.>"}},
	} {
		config.Durable, config.AckPolicy = name, jetstream.AckExplicitPolicy
		c := create(config)
		messages, err := c.Fetch(map[string]int{"done": 8, "half": 3}[name])
		if err != nil {
			t.Fatal(err)
		}
		for m := range messages.Messages() {
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	create(jetstream.ConsumerConfig{Durable: "fresh", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "kyc.v1.kycaid.>"})
	create(jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	readers, err := b.Readers(t.Context(), Verifications)
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]uint64{}
	for _, r := range readers {
		next[r.Name] = r.Next
	}
	if diff := cmp.Diff(map[string]uint64{"done": 0, "half": 4, "fresh": 9}, next); diff != "" {
		t.Errorf("next messages (-want +got):\n%s", diff)
	}
	if err := b.Trim(t.Context(), Verifications, 4); err != nil {
		t.Fatal(err)
	}
	state, err := b.StreamState(t.Context(), Verifications)
	if err != nil || state.FirstSeq != 5 || state.LastSeq != 10 {
		t.Errorf("state %+v, %v", state, err)
	}
}

func TestCompareStreams(t *testing.T) {
	b := newTestBus(t)
	if found, err := b.CompareStreams(t.Context(), testSettings); err != nil || len(found) > 0 {
		t.Errorf("differences %v, %v: want none", found, err)
	}
	stream, err := b.js.Stream(t.Context(), Sandbox)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxAge = 0
	if _, err := b.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := b.DropStream(t.Context(), Held); err != nil {
		t.Fatal(err)
	}
	found, err := b.CompareStreams(t.Context(), testSettings)
	if err != nil {
		t.Fatal(err)
	}
	want := []Difference{
		{Stream: Sandbox, Setting: "maximal age", Want: "720h0m0s", Have: "0s"},
		{Stream: Held, Setting: "existence", Want: "a stream", Have: "none"},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}
