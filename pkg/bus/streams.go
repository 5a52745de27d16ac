package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The streams of Verdict.
const (
	Webhooks      = "KYC_WEBHOOKS"
	Verifications = "KYC_VERIFICATIONS"
	Sandbox       = "KYC_SANDBOX"
	Dead          = "KYC_DEAD"
	Held          = "KYC_HELD"
	Rejected      = "KYC_REJECTED"
	Outcomes      = "KYC_OUTCOMES"
	Canary        = "KYC_CANARY"
	Audits        = "KYC_AUDIT"
	Spools        = "KYC_SPOOLS"
	Redrives      = "KYC_REDRIVE"
)

const (
	// webhooksGrace keeps deliveries beyond the retention for as long as a sealing key may still open them.
	webhooksGrace = time.Hour
	sandboxAge    = 30 * 24 * time.Hour
	rejectedAge   = 7 * 24 * time.Hour
	// rejectedPerSubject bounds what refusals of one provider and cause can take.
	rejectedPerSubject = 10_000
	heldBytes          = 64 << 20
	// spoolsAge is how long a receiver that is not heard of keeps deadlines waiting.
	spoolsAge = 24 * time.Hour
)

// StreamSettings are what an operator decides about the streams.
type StreamSettings struct {
	// Retention is how long raw deliveries are kept: the longest over all providers.
	Retention time.Duration
	// DeduplicationWindow is how long a stream remembers message ids.
	DeduplicationWindow time.Duration
	// Replicas is 1 on a single node; 3 survives the loss of one of three.
	Replicas int
}

// definitions is every stream there is. All are file storage; each write is on disk before its ack, except in KYC_REJECTED.
func definitions(s StreamSettings) []jetstream.StreamConfig {
	raw := s.Retention + webhooksGrace
	// Refusals may be lost in a power failure: nobody was told that they are kept. Replicated streams have no such mode.
	unsynced := jetstream.DefaultPersistMode
	if s.Replicas == 1 {
		unsynced = jetstream.AsyncPersistMode
	}
	return []jetstream.StreamConfig{
		{
			Name: Webhooks, Description: "Every accepted delivery, sealed. Internal.",
			Subjects: []string{"kyc.webhook.*.*"}, MaxAge: raw, Discard: jetstream.DiscardNew, AllowAtomicPublish: true,
		},
		{
			Name: Verifications, Description: "Normalised events, for good.",
			Subjects: []string{"kyc.v1.*.*.*"}, Discard: jetstream.DiscardNew, AllowAtomicPublish: true, AllowDirect: true, DenyDelete: true,
		},
		{
			Name: Sandbox, Description: "Normalised events of deliveries marked sandbox.",
			Subjects: []string{"kyc.sandbox.v1.*.*.*"}, MaxAge: sandboxAge, Discard: jetstream.DiscardNew, AllowAtomicPublish: true,
		},
		{
			Name: Dead, Description: "References to messages that could not be processed.",
			Subjects: []string{"kyc.dead.*"}, MaxAge: raw, Discard: jetstream.DiscardNew,
		},
		{
			Name: Held, Description: "Unsigned deliveries, sealed, waiting for a decision.",
			Subjects: []string{"kyc.held.*"}, MaxAge: s.Retention, MaxBytes: heldBytes, Discard: jetstream.DiscardNew,
		},
		{
			Name: Rejected, Description: "Metadata of refused deliveries.",
			Subjects: []string{"kyc.rejected.*.*"}, MaxAge: rejectedAge, MaxMsgsPerSubject: rejectedPerSubject,
			Discard: jetstream.DiscardOld, PersistMode: unsynced,
		},
		{
			Name: Outcomes, Description: "How deliveries ended that leave no event.",
			Subjects: []string{"kyc.outcome.*.*"}, MaxAge: raw, Discard: jetstream.DiscardNew, AllowAtomicPublish: true,
		},
		{
			Name: Redrives, Description: "Requests to handle messages once more; each is gone once it is done.",
			Subjects: []string{redriveSubjects + "*"}, MaxAge: raw, Discard: jetstream.DiscardNew, Retention: jetstream.WorkQueuePolicy,
		},
		{
			Name: Audits, Description: "Who changed what by hand, for good.",
			Subjects: []string{auditSubjects + "*"}, Discard: jetstream.DiscardNew, DenyDelete: true,
		},
		{
			Name: Spools, Description: "How far the receivers' spools are.",
			Subjects: []string{spoolSubjects + "*"}, MaxMsgsPerSubject: 1, MaxAge: spoolsAge, Discard: jetstream.DiscardOld,
		},
		{
			Name: Canary, Description: "The last proof that a write becomes durable.",
			Subjects: []string{"kyc.canary"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld,
		},
	}
}

// EnsureStreams creates the streams that are missing and changes the others in place. An existing stream that cannot be changed so is an error
// that names it; nothing is ever deleted to make room.
func (b *Bus) EnsureStreams(ctx context.Context, settings StreamSettings) error {
	for _, config := range definitions(settings) {
		config.Storage = jetstream.FileStorage
		config.Replicas = settings.Replicas
		config.Duplicates = settings.DeduplicationWindow
		if err := b.ensureStream(ctx, config); err != nil {
			return err
		}
	}
	if err := b.ensureEntries(ctx, settings.Replicas); err != nil {
		return err
	}
	b.streams.Store(&settings)
	return nil
}

// restored makes the streams again that the broker has lost while it was away.
func (b *Bus) restored() {
	b.logger.Info("broker connection restored")
	settings := b.streams.Load()
	if settings == nil {
		return
	}
	// The broker may not be ready yet. Another loss of the connection begins this anew.
	go func() {
		for !b.conn.IsClosed() {
			err := b.EnsureStreams(context.Background(), *settings)
			if !errors.Is(err, ErrUnavailable) {
				if err != nil {
					b.logger.Error("the streams are not what they were", "error", err)
				}
				return
			}
			time.Sleep(connectRetryWait)
		}
	}()
}

func (b *Bus) ensureStream(ctx context.Context, config jetstream.StreamConfig) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if known, err := b.js.Stream(ctx, config.Name); err == nil {
		config.Metadata = keptMetadata(known.CachedInfo())
	}
	if _, err := b.js.CreateOrUpdateStream(ctx, config); err != nil {
		err = classify(err)
		if errors.Is(err, ErrUnavailable) {
			return fmt.Errorf("ensure stream %s: %w", config.Name, err)
		}
		return fmt.Errorf("ensure stream %s: what exists cannot be changed into what is needed; compare it with the documentation, or point Verdict at a broker of its own: %w",
			config.Name, err)
	}
	return nil
}
