-- +goose Up

-- The key of claims stands beside them: both are written together, and destroyed together.
ALTER TABLE claims ADD COLUMN wrapped BYTEA;
UPDATE claims SET wrapped = (SELECT k.wrapped FROM claims_key k WHERE k.id = claims.id AND k.sandbox = claims.sandbox)
WHERE sealed IS NOT NULL;
DROP TABLE claims_key;

-- Deliveries of one provider and outcome, in the order of lists: a list by either merges a few of these. They are counted by it too, and
-- those that expire are found by it. Most deliveries have no cause.
CREATE INDEX delivery_by_group ON delivery (provider, outcome, listed_at, stream, sequence);
DROP INDEX delivery_by_provider;
DROP INDEX delivery_by_outcome;
DROP INDEX delivery_counts;
DROP INDEX delivery_by_cause;
CREATE INDEX delivery_by_cause ON delivery (cause, listed_at, stream, sequence) WHERE cause <> '';

-- A list by provider or kind merges the statuses too.
DROP INDEX verification_by_kind;
