-- +goose Up

-- The version of the decoder that has read the time of a sighting.
ALTER TABLE lifecycle_sighting ADD COLUMN decoder BIGINT NOT NULL DEFAULT 0;

-- Under which key the rows of a provider are, where that is not its name: those of a state that was made anew beside another one, which
-- are there under the former key until they are dropped. SQLite has files of their own instead.
CREATE TABLE lifecycle_key (
    provider TEXT PRIMARY KEY,
    current  TEXT NOT NULL,
    former   TEXT NOT NULL
);
