package store

import "context"

// lifecycleKeys returns the keys under which PostgreSQL has the rows of a provider: the current ones, and those of before that are kept,
// empty where there are none.
func lifecycleKeys(ctx context.Context, db *database, provider string) (current, former string, err error) {
	found, err := db.read().one(ctx, []any{&current, &former}, `SELECT current, former FROM lifecycle_key WHERE provider = $1`, provider)
	if err == nil && !found {
		current = provider
	}
	return current, former, err
}
