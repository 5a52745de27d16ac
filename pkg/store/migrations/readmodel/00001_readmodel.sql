-- Times are microseconds since 1970 in UTC; columns of JSON are TEXT. References that come from outside and are only
-- searched for stand in their column as a hash where they are too long for an index.

-- +goose Up

-- The current state of every verification: its event of the highest version.
CREATE TABLE verification (
    id                 TEXT NOT NULL,
    sandbox            BOOLEAN NOT NULL,
    version            BIGINT NOT NULL,
    sequence           BIGINT NOT NULL, -- of that event, in the stream of its kind: sandbox or not
    updated_at         BIGINT NOT NULL, -- when that event was stored in the stream
    provider           TEXT NOT NULL,
    kind               TEXT NOT NULL,
    scope              TEXT NOT NULL,
    status             TEXT NOT NULL CHECK (status IN (
        'pending', 'processing', 'awaiting_review',
        'approved', 'rejected', 'suspected', 'inconclusive',
        'canceled', 'expired', 'abandoned')),
    final              BOOLEAN NOT NULL,
    overdue            BOOLEAN NOT NULL,
    applicant          TEXT,
    external_reference TEXT,
    data               TEXT NOT NULL,
    PRIMARY KEY (id, sandbox)
);
CREATE INDEX verification_by_sequence ON verification (sandbox, sequence);
CREATE INDEX verification_by_kind ON verification (sandbox, provider, kind, sequence);
CREATE INDEX verification_by_status ON verification (sandbox, status, sequence);
CREATE INDEX verification_by_applicant ON verification (sandbox, applicant, sequence) WHERE applicant IS NOT NULL;
CREATE INDEX verification_by_external_reference ON verification (sandbox, external_reference, sequence) WHERE external_reference IS NOT NULL;
CREATE INDEX verification_by_update ON verification (sandbox, updated_at, sequence);
CREATE INDEX verification_overdue ON verification (sandbox, sequence) WHERE overdue;
CREATE INDEX verification_open ON verification (sandbox, provider, id) WHERE NOT final;
CREATE INDEX verification_counts ON verification (provider, kind, status, sandbox);

-- Every event of every verification.
CREATE TABLE verification_event (
    id        TEXT NOT NULL,
    sandbox   BOOLEAN NOT NULL,
    version   BIGINT NOT NULL,
    sequence  BIGINT NOT NULL,
    published TEXT NOT NULL, -- the status that it was published under
    stored_at BIGINT NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (id, sandbox, version)
);

-- Which fields of which signals had values that the decoder did not know.
CREATE TABLE unknown_value (
    provider TEXT NOT NULL,
    field    TEXT NOT NULL,
    id       TEXT NOT NULL,
    sandbox  BOOLEAN NOT NULL,
    signal   TEXT NOT NULL,
    PRIMARY KEY (provider, field, id, sandbox, signal)
);

-- What came in, and what became of it. A row may be known by its outcome before it is known by its receipt.
CREATE TABLE delivery (
    stream        TEXT NOT NULL,
    sequence      BIGINT NOT NULL,
    event_id      TEXT NOT NULL DEFAULT '',
    provider      TEXT NOT NULL DEFAULT '',
    event         TEXT NOT NULL DEFAULT '',
    received_at   BIGINT,
    listed_at     BIGINT NOT NULL DEFAULT 0, -- its place in lists: when it was received, or else when its outcome was known
    outcome       TEXT NOT NULL DEFAULT '' CHECK (outcome IN (
        '', 'held', 'rejected', 'dead', 'expired_unprocessed', 'unhandled', 'repeat', 'applied')),
    outcome_at    BIGINT,
    cause         TEXT NOT NULL DEFAULT '',
    verifications TEXT NOT NULL DEFAULT '[]',
    anomalies     TEXT NOT NULL DEFAULT '[]',
    traceparent   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (stream, sequence)
);
CREATE INDEX delivery_by_time ON delivery (listed_at, stream, sequence);
CREATE INDEX delivery_by_provider ON delivery (provider, listed_at, stream, sequence);
CREATE INDEX delivery_by_outcome ON delivery (outcome, listed_at, stream, sequence);
CREATE INDEX delivery_by_cause ON delivery (cause, listed_at, stream, sequence);
CREATE INDEX delivery_counts ON delivery (provider, outcome, received_at);

-- The sealed personal data of every verification, and which signal it is of. The key stands in a table of its own.
CREATE TABLE claims (
    id                 TEXT NOT NULL,
    sandbox            BOOLEAN NOT NULL,
    signal             TEXT NOT NULL DEFAULT '{}',
    signal_seq         BIGINT NOT NULL DEFAULT 0,
    sealed             BYTEA,
    anonymized_through BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (id, sandbox)
);
CREATE TABLE claims_key (
    id      TEXT NOT NULL,
    sandbox BOOLEAN NOT NULL,
    wrapped BYTEA NOT NULL,
    PRIMARY KEY (id, sandbox)
);

-- How far the tables hold each stream.
CREATE TABLE progress (
    stream   TEXT PRIMARY KEY,
    identity TEXT NOT NULL, -- of the stream that was read: another one of that name has another
    sequence BIGINT NOT NULL,
    pending  BIGINT NOT NULL,
    at       BIGINT NOT NULL
);
