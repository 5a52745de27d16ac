-- +goose Up

-- The settings that due_at and retain_until of all records follow from. There is no row while some may follow from others.
CREATE TABLE lifecycle_schedule (
    provider TEXT PRIMARY KEY,
    settings TEXT NOT NULL
);
