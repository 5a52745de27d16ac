-- +goose Up

-- The timeline of all verifications, for those who follow it.
CREATE INDEX verification_event_by_sequence ON verification_event (sandbox, sequence);
