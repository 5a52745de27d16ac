package main

import (
	"context"

	"github.com/verdict-stream/verdict/pkg/capacity"
)

// watch tells how full everything is that this role fills.
func (p *process) watch(ctx context.Context) error {
	sources := []capacity.Source{p.disk.Levels}
	if !p.cfg.DatabaseURL.IsSet() {
		sources = append(sources, capacity.SQLFiles(p.cfg.DataDir))
	}
	if p.role.receives() {
		sources = append(sources, p.streamLevels, p.spoolLevels)
	}
	return capacity.Watch(ctx, p.logger, sources...)
}

func (p *process) streamLevels(ctx context.Context) []capacity.Level {
	select {
	case <-p.opened:
		return p.bus.Levels(ctx)
	default:
		return nil
	}
}

func (p *process) spoolLevels(context.Context) []capacity.Level {
	select {
	case <-p.local:
	default:
		return nil
	}
	if p.spool == nil {
		return nil
	}
	return []capacity.Level{{Kind: "spool", Name: "webhooks", Used: uint64(p.spool.Size().Bytes), Limit: p.cfg.SpoolMark}}
}
