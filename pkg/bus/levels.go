package bus

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/capacity"
)

// ourSubjects matches what all streams of Verdict hold.
const ourSubjects = "kyc.>"

// Levels tells how full the streams are, and what the account may store where the broker says so. It is a capacity.Source.
func (b *Bus) Levels(ctx context.Context) []capacity.Level {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	var levels []capacity.Level
	streams := b.js.ListStreams(ctx, jetstream.WithStreamListSubject(ourSubjects))
	for info := range streams.Info() {
		levels = append(levels, capacity.Level{
			Kind: "stream", Name: info.Config.Name, Used: info.State.Bytes, Limit: uint64(max(info.Config.MaxBytes, 0)),
		})
	}
	if account, err := b.js.AccountInfo(ctx); err == nil && account.Limits.MaxStore > 0 {
		levels = append(levels, capacity.Level{
			Kind: "account", Name: "broker", Used: account.Store, Limit: uint64(account.Limits.MaxStore),
		})
	}
	return levels
}
