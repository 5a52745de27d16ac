-- Times are microseconds since 1970 in UTC; columns of JSON are TEXT.

-- +goose Up

-- Who may write the state of a provider. SQLite has a lock on the file instead.
CREATE TABLE lifecycle_lease (
    provider   TEXT PRIMARY KEY,
    epoch      BIGINT NOT NULL, -- grows with every change of the holder
    holder     TEXT NOT NULL,
    expires_at BIGINT NOT NULL  -- by the clock of the database
);

-- The last number given to a row of the outbox. Numbers are never used again.
CREATE TABLE lifecycle_sequence (
    provider TEXT PRIMARY KEY,
    last     BIGINT NOT NULL
);

CREATE TABLE lifecycle_record (
    provider     TEXT NOT NULL,
    id           TEXT NOT NULL,
    sandbox      BOOLEAN NOT NULL,
    version      BIGINT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN (
        'pending', 'processing', 'awaiting_review',
        'approved', 'rejected', 'suspected', 'inconclusive',
        'canceled', 'expired', 'abandoned')),
    state        TEXT NOT NULL,
    signals      TEXT NOT NULL,
    due_at       BIGINT, -- when it becomes overdue; NULL where it cannot, or is already
    retain_until BIGINT, -- when its personal data has to go; NULL where there is none
    PRIMARY KEY (provider, id, sandbox)
);
CREATE INDEX lifecycle_record_due ON lifecycle_record (provider, due_at, id, sandbox) WHERE due_at IS NOT NULL;
CREATE INDEX lifecycle_record_retained ON lifecycle_record (provider, retain_until, id, sandbox) WHERE retain_until IS NOT NULL;

-- Which verification a signed payload belongs to.
CREATE TABLE lifecycle_owner (
    provider     TEXT NOT NULL,
    signal       TEXT NOT NULL,
    verification TEXT NOT NULL,
    event        TEXT NOT NULL,
    seq          BIGINT NOT NULL,
    PRIMARY KEY (provider, signal)
);

-- Signed payloads that were first seen under an event that tells of no verification.
CREATE TABLE lifecycle_sighting (
    provider    TEXT NOT NULL,
    signal      TEXT NOT NULL,
    seq         BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    delivery    TEXT NOT NULL,
    PRIMARY KEY (provider, signal)
);

-- Events that wait to be published, in the order of their ids.
CREATE TABLE lifecycle_outbox (
    provider     TEXT NOT NULL,
    id           BIGINT NOT NULL,
    lane         TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    verification TEXT NOT NULL, -- the part of event_id before the @
    subject      TEXT NOT NULL,
    header       TEXT NOT NULL,
    data         BYTEA NOT NULL,
    PRIMARY KEY (provider, id)
);
CREATE INDEX lifecycle_outbox_lane ON lifecycle_outbox (provider, lane, id);
CREATE INDEX lifecycle_outbox_verification ON lifecycle_outbox (provider, lane, verification, id);
CREATE UNIQUE INDEX lifecycle_outbox_event ON lifecycle_outbox (provider, lane, event_id);

-- How far a stream is known to hold what this state says.
CREATE TABLE lifecycle_position (
    provider TEXT NOT NULL,
    lane     TEXT NOT NULL,
    stream   TEXT NOT NULL,
    seq      BIGINT NOT NULL,
    PRIMARY KEY (provider, lane)
);
