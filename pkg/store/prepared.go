package store

import (
	"context"
	"database/sql"
	"slices"
)

// prepared are the statements of transactions that SQLite has read, by their texts, of which there is a limited number. PostgreSQL's
// driver keeps its own. Whoever has the turn uses it.
type prepared map[string]*sql.Stmt

// within returns what runs statements in a transaction.
func (p prepared) within(tx *sql.Tx) *preparing {
	return &preparing{tx: tx, prepared: p, bound: map[string]*sql.Stmt{}}
}

// preparing runs the statements of one transaction. One that it does not know runs as it is, and is prepared afterwards: the only
// connection that writes is taken by the transaction.
type preparing struct {
	tx       *sql.Tx
	prepared prepared
	bound    map[string]*sql.Stmt // to the transaction
	unknown  []string
}

func (p *preparing) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s := p.statement(ctx, query); s != nil { //nolint:sqlclosecheck // It ends with the transaction.
		return s.ExecContext(ctx, args...)
	}
	return p.tx.ExecContext(ctx, query, args...)
}

func (p *preparing) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s := p.statement(ctx, query); s != nil { //nolint:sqlclosecheck // It ends with the transaction.
		return s.QueryContext(ctx, args...)
	}
	return p.tx.QueryContext(ctx, query, args...)
}

// statement returns the prepared statement, nil where there is none yet.
func (p *preparing) statement(ctx context.Context, query string) *sql.Stmt {
	if s := p.bound[query]; s != nil {
		return s
	}
	known := p.prepared[query]
	if known == nil {
		if !slices.Contains(p.unknown, query) {
			p.unknown = append(p.unknown, query)
		}
		return nil
	}
	s := p.tx.StmtContext(ctx, known)
	p.bound[query] = s
	return s
}

// learn prepares the statements that were not known, when the transaction has ended. One that cannot be prepared stays unknown.
func (p *preparing) learn(db *sql.DB) {
	for _, query := range p.unknown {
		if s, err := db.PrepareContext(context.Background(), query); err == nil { //nolint:sqlclosecheck // It ends with the pool.
			p.prepared[query] = s
		}
	}
}
