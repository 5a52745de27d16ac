package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	idenfyVerdicts = "kyc.v1.idenfy.>"
	approved       = "kyc.v1.idenfy.id_verification.approved"
	rejected       = "kyc.v1.idenfy.id_verification.rejected"
	otherProvider  = "kyc.v1.kycaid.form_verification.approved"
)

// batch returns n messages with ids made from the prefix.
func batch(prefix string, n int) []Message {
	messages := make([]Message, n)
	for i := range messages {
		messages[i] = testMessage(approved, fmt.Sprintf("%s-%d", prefix, i), fmt.Sprintf("%d", i))
	}
	return messages
}

func TestPublishSaysWhereAndOnce(t *testing.T) {
	b := newTestBus(t)
	first := publish(t, b, "kyc.webhook.idenfy.other", "idenfy:1", "sealed")
	again := publish(t, b, "kyc.webhook.idenfy.other", "idenfy:1", "sealed")
	if diff := cmp.Diff(Ack{Stream: Webhooks, Seq: 1}, first); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Ack{Stream: Webhooks, Seq: 1, Duplicate: true}, again); diff != "" {
		t.Error(diff)
	}
}

func TestPublishKeepsHeadersAsTheyAre(t *testing.T) {
	b := newTestBus(t)
	sent := Message{
		Subject: "kyc.webhook.idenfy.other",
		Header:  map[string][]string{"ce-id": {"idenfy:a%20b"}, "Ce-Id": {"other"}, "two": {"1", "2"}, "traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
		Data:    []byte("sealed"),
	}
	ack, err := b.Publish(t.Context(), sent)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Get(t.Context(), ack.Stream, ack.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent, got.Message); diff != "" {
		t.Errorf("(-sent +stored)\n%s", diff)
	}
}

func TestWhatTheBrokerCouldMisreadIsRejected(t *testing.T) {
	b := newTestBus(t)
	const subject = "kyc.webhook.idenfy.other"
	huge := strings.Repeat("x", int(b.MaxPayload())+1)
	for name, m := range map[string]Message{
		"empty subject":      {},
		"wildcard":           {Subject: "kyc.webhook.*.other"},
		"tail wildcard":      {Subject: "kyc.webhook.>"},
		"empty token":        {Subject: "kyc.webhook..other"},
		"blank":              {Subject: "kyc.webhook.idenfy.a b"},
		"line in subject":    {Subject: subject + "\r\nPUB kyc.v1.x 0"},
		"line in value":      {Subject: subject, Header: map[string][]string{"ce-id": {"a\r\nNats-Rollup: all"}}},
		"zero byte in value": {Subject: subject, Header: map[string][]string{"ce-id": {"a\x00"}}},
		"line in name":       {Subject: subject, Header: map[string][]string{"ce-id: a\r\nNats-Rollup": {"all"}}},
		"empty name":         {Subject: subject, Header: map[string][]string{"": {"a"}}},
		"too large":          {Subject: subject, Data: []byte(huge)},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 1; n <= 2; n++ {
				messages := append(batch("good", n-1), m)
				if _, err := b.PublishBatch(t.Context(), messages, Fence{}); !errors.Is(err, ErrRejected) || errors.Is(err, ErrUnavailable) {
					t.Errorf("batch of %d: %v", n, err)
				}
			}
			_, err := b.Publish(t.Context(), m)
			if !errors.Is(err, ErrRejected) {
				t.Errorf("publish: %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "Nats-Rollup") {
				t.Errorf("the error repeats what was refused: %q", err)
			}
		})
	}
	for _, stream := range []string{Webhooks, Verifications} {
		if state, err := b.StreamState(t.Context(), stream); err != nil || state.LastSeq != 0 {
			t.Errorf("%s: %+v, %v; nothing may be stored", stream, state, err)
		}
	}
}

func TestPublishWithoutAStreamIsUnavailable(t *testing.T) {
	b := connectTestBus(t, Config{Server: startTestServer(t, serverConfig(t.TempDir(), "off"))})
	if _, err := b.Publish(t.Context(), Message{Subject: "kyc.webhook.idenfy.other"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("publish: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), quick.ackWait)
	defer cancel()
	if _, err := b.PublishBatch(ctx, batch("a", 2), Fence{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("batch: %v", err)
	}
}

func TestPublishAfterTheBrokerHasGoneIsUnavailableAtOnce(t *testing.T) {
	s := startTestServer(t, serverConfig(t.TempDir(), "off"))
	b := connectTestBus(t, Config{Server: s})
	if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	eventually(t, "the loss is noticed", func() bool { return !b.Connected() })
	if _, err := b.Publish(t.Context(), Message{Subject: "kyc.webhook.idenfy.other"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("publish: %v", err)
	}
	if _, err := b.PublishBatch(t.Context(), batch("a", 2), Fence{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("batch: %v", err)
	}
}

func TestBatchSizes(t *testing.T) {
	for _, n := range []int{1, 2, MaxBatch} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := newTestBus(t)
			last, err := b.PublishBatch(t.Context(), batch("first", n), Fence{Filter: idenfyVerdicts})
			if err != nil || last != uint64(n) {
				t.Fatalf("first batch: %d, %v", last, err)
			}
			last, err = b.PublishBatch(t.Context(), batch("second", n), Fence{Filter: idenfyVerdicts, LastSeq: last})
			if err != nil || last != uint64(2*n) {
				t.Fatalf("second batch: %d, %v", last, err)
			}
			var ids []string
			if _, err := b.Read(t.Context(), Verifications, idenfyVerdicts, 0, func(m Stored) error {
				ids = append(ids, m.Header[MessageIDHeader][0])
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, m := range append(batch("first", n), batch("second", n)...) {
				want = append(want, m.Header[MessageIDHeader][0])
			}
			if diff := cmp.Diff(want, ids); diff != "" {
				t.Errorf("order differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBatchesOfImpossibleSizes(t *testing.T) {
	b := newTestBus(t)
	for _, n := range []int{0, MaxBatch + 1} {
		if _, err := b.PublishBatch(t.Context(), batch("a", n), Fence{}); !errors.Is(err, ErrRejected) {
			t.Errorf("%d messages: %v", n, err)
		}
	}
}

func TestFences(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("batch of %d", n), func(t *testing.T) {
			b := newTestBus(t)
			publish(t, b, otherProvider, "kycaid/1@1", "{}")
			publish(t, b, approved, "idenfy/1@1", "{}")
			publish(t, b, rejected, "idenfy/2@1", "{}")
			publish(t, b, otherProvider, "kycaid/2@1", "{}")
			const lastOfIdenfy, before = 3, 4
			for name, tt := range map[string]struct {
				messages []Message
				lastSeq  uint64
				want     error
			}{
				"nothing expected":       {batch("a", n), 0, ErrConflict},
				"an older one":           {batch("b", n), lastOfIdenfy - 1, ErrConflict},
				"another provider's":     {batch("c", n), before, ErrConflict},
				"duplicate of the first": {append([]Message{testMessage(approved, "idenfy/1@1", "{}")}, batch("d", n-1)...), lastOfIdenfy, ErrDuplicate},
				"duplicate of the last":  {append(batch("e", n-1), testMessage(approved, "idenfy/2@1", "{}")), lastOfIdenfy, ErrDuplicate},
			} {
				t.Run(name, func(t *testing.T) {
					_, err := b.PublishBatch(t.Context(), tt.messages, Fence{Filter: idenfyVerdicts, LastSeq: tt.lastSeq})
					if !errors.Is(err, tt.want) || errors.Is(err, ErrUnavailable) {
						t.Errorf("error: %v, want %v", err, tt.want)
					}
					if state, err := b.StreamState(t.Context(), Verifications); err != nil || state.LastSeq != before {
						t.Errorf("the stream ends at %d, %v; nothing may be stored", state.LastSeq, err)
					}
				})
			}
			if last, err := b.PublishBatch(t.Context(), batch("f", n), Fence{Filter: idenfyVerdicts, LastSeq: lastOfIdenfy}); err != nil || last != uint64(before+n) {
				t.Errorf("the right fence: %d, %v", last, err)
			}
		})
	}
}

func TestAFenceHoldsWhenItsSubjectsAreTrimmed(t *testing.T) {
	b := newTestBus(t)
	publish(t, b, approved, "idenfy/1@1", "{}")
	last := publish(t, b, rejected, "idenfy/2@1", "{}").Seq
	stream, err := b.js.Stream(t.Context(), Verifications)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(last)); err != nil {
		t.Fatal(err)
	}
	if got, err := b.LastSequence(t.Context(), Verifications, idenfyVerdicts); err != nil || got != last {
		t.Errorf("last sequence %d, %v; want %d", got, err, last)
	}
	if _, err := b.PublishBatch(t.Context(), batch("a", 2), Fence{Filter: idenfyVerdicts, LastSeq: last}); err != nil {
		t.Error(err)
	}
}

func TestErrorsTellWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		code   jetstream.ErrorCode
		status int
		want   error
	}{
		{10071, 400, ErrConflict},
		{10164, 400, ErrConflict},
		{10201, 400, ErrDuplicate},
		{10054, 400, ErrRejected},
		{10199, 400, ErrRejected},
		{10037, 404, ErrNotFound},
		{10176, 400, ErrUnavailable},
		{10002, 400, ErrUnavailable},
		{10077, 503, ErrUnavailable},
		{10023, 503, ErrUnavailable},
		{10008, 503, ErrUnavailable},
		{10210, 429, ErrUnavailable},
		{10059, 404, ErrUnavailable},
	} {
		err := classify(fmt.Errorf("wrapped: %w", &jetstream.APIError{Code: tt.status, ErrorCode: tt.code}))
		for _, sentinel := range []error{ErrConflict, ErrDuplicate, ErrRejected, ErrNotFound, ErrUnavailable} {
			if errors.Is(err, sentinel) != errors.Is(sentinel, tt.want) {
				t.Errorf("code %d is %v, want %v alone", tt.code, err, tt.want)
			}
		}
	}
}
