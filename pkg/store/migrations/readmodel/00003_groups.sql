-- +goose Up

-- Verifications of one scope, provider, kind and status, in the order of lists: a list by status merges a few of these. They are counted
-- by it too.
CREATE INDEX verification_by_group ON verification (sandbox, scope, provider, kind, status, sequence);
DROP INDEX verification_by_status;
DROP INDEX verification_counts;
