-- What deliveries say when they are read once more, until the state has taken it over. It is on SQLite only, and may be lost.

-- +goose Up

-- How far the work is, by whoever does it.
CREATE TABLE staging_mark (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- The deliveries that were read, and those that ended without an event before.
CREATE TABLE staging_delivery (
    seq      BIGINT PRIMARY KEY,
    id       TEXT NOT NULL DEFAULT '',
    event    TEXT NOT NULL DEFAULT '',
    result   TEXT NOT NULL DEFAULT '', -- of reading it; empty where it was not read
    whole    BOOLEAN NOT NULL DEFAULT FALSE, -- all that it says is in staging_reading
    verifications TEXT NOT NULL DEFAULT '[]', -- that it tells of
    before   TEXT NOT NULL DEFAULT '', -- the outcome of before, where it made no event
    dead     BOOLEAN NOT NULL DEFAULT FALSE, -- there is an open dead letter
    applied  BOOLEAN NOT NULL DEFAULT FALSE,
    left_out BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX staging_delivery_before ON staging_delivery (seq) WHERE before <> '';

-- The messages that say so: open dead letters and outcomes. There may be several about one delivery.
CREATE TABLE staging_note (
    stream   TEXT NOT NULL,
    position BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    PRIMARY KEY (stream, position)
);
CREATE INDEX staging_note_seq ON staging_note (seq);

CREATE TABLE staging_reading (
    id      TEXT NOT NULL,
    sandbox BOOLEAN NOT NULL,
    seq     BIGINT NOT NULL,
    signal  TEXT NOT NULL,
    data    TEXT NOT NULL,
    PRIMARY KEY (id, sandbox, seq, signal)
);
CREATE INDEX staging_reading_signal ON staging_reading (signal, seq);

-- Signed payloads that were seen under an event that tells of no verification.
CREATE TABLE staging_sighting (
    seq    BIGINT NOT NULL,
    signal TEXT NOT NULL,
    data   TEXT NOT NULL,
    PRIMARY KEY (seq, signal)
);

-- The verifications to be looked at.
CREATE TABLE staging_record (
    id      TEXT NOT NULL,
    sandbox BOOLEAN NOT NULL,
    PRIMARY KEY (id, sandbox)
);

-- What a draft has written, in front of the state that it is a draft of.
CREATE TABLE draft_record (
    id      TEXT NOT NULL,
    sandbox BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    state   TEXT NOT NULL,
    signals TEXT NOT NULL,
    PRIMARY KEY (id, sandbox)
);
CREATE TABLE draft_owner (
    signal       TEXT PRIMARY KEY,
    verification TEXT NOT NULL, -- empty where it has none any more
    event        TEXT NOT NULL,
    seq          BIGINT NOT NULL
);
CREATE TABLE draft_sighting (
    signal      TEXT PRIMARY KEY,
    seq         BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    delivery    TEXT NOT NULL,
    decoder     BIGINT NOT NULL
);
