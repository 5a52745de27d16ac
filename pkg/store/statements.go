package store

import (
	"context"
	"database/sql"

	"go.opentelemetry.io/otel"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// statements runs SQL on a pool or in a transaction. Parameters are written $1, $2, … for both databases. Its errors are
// those of this package.
type statements struct {
	on runner
	// ends is the context that ends a transaction that callers share; nil outside of one. No caller's own ends it.
	ends context.Context //nolint:containedctx // It is that of all statements of one transaction.
	// numbers belong to the transaction; nil outside of one.
	numbers *numbers
}

// runner is a pool, a transaction, or what keeps a transaction's statements prepared.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// begin returns the context that a statement runs in, and ends its span. A span holds the statement and never an argument or an error.
// There is none outside of a trace, so that polling makes no noise, nor where the trace is not sampled.
func (s statements) begin(ctx context.Context, query string) (context.Context, func()) {
	if s.ends != nil {
		ctx = endsWith{Context: s.ends, values: ctx}
	}
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, func() {}
	}
	ctx, span := otel.Tracer(instrumentation).Start(ctx, "sql", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(semconv.DBQueryText(query)))
	return ctx, func() { span.End() }
}

const instrumentation = "github.com/verdict-stream/verdict/pkg/store"

// endsWith is a context with the values of one and the end of another.
type endsWith struct {
	context.Context                 //nolint:containedctx // It is a context.
	values          context.Context //nolint:containedctx // It is a context.
}

func (c endsWith) Value(key any) any { return c.values.Value(key) }

// scanner reads the columns of one row.
type scanner func(dest ...any) error

// exec runs a statement and returns the number of rows that it wrote.
func (s statements) exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, end := s.begin(ctx, query)
	defer end()
	result, err := s.on.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, classify(ctx, err)
	}
	n, err := result.RowsAffected()
	return n, classify(ctx, err)
}

// each calls fn for every row. An error of fn ends it and is returned as it is.
func (s statements) each(ctx context.Context, fn func(scan scanner) error, query string, args ...any) error {
	ctx, end := s.begin(ctx, query)
	defer end()
	rows, err := s.on.QueryContext(ctx, query, args...)
	if err != nil {
		return classify(ctx, err)
	}
	defer func() { _ = rows.Close() }() // an error of reading is that of rows.Err
	scan := func(dest ...any) error { return classifyScan(ctx, rows.Scan(dest...)) }
	for rows.Next() {
		if err := fn(scan); err != nil {
			return err
		}
	}
	return classify(ctx, rows.Err())
}

// one reads the only row into dest and reports whether there is one.
func (s statements) one(ctx context.Context, dest []any, query string, args ...any) (found bool, err error) {
	err = s.each(ctx, func(scan scanner) error {
		found = true
		return scan(dest...)
	}, query, args...)
	return found && err == nil, err
}

// list reads every row.
func list[T any](ctx context.Context, s statements, read func(scan scanner) (T, error), query string, args ...any) ([]T, error) {
	var out []T
	err := s.each(ctx, func(scan scanner) error {
		v, err := read(scan)
		if err == nil {
			out = append(out, v)
		}
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}
