-- The first schema. Portable: BIGINT for whole numbers, TEXT for words and JSON, times in
-- milliseconds since 1970. Elsewhere BLOB has another name, and WITHOUT ROWID does not exist:
-- here it saves a row an index of its own, and so half of what its commit writes.

CREATE TABLE leases (
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    token BIGINT NOT NULL, -- outlives its holder, so that it always grows
    actor TEXT NOT NULL,
    host TEXT NOT NULL,
    process BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    deployment TEXT,
    since_at BIGINT NOT NULL,
    until_at BIGINT, -- none: nobody holds it
    PRIMARY KEY (application, environment)
);

CREATE TABLE blobs (
    digest TEXT NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL
);

CREATE TABLE releases (
    application TEXT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    artifact TEXT NOT NULL,
    labels TEXT NOT NULL,
    details TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (application, id)
);
CREATE INDEX releases_by_version ON releases (application, version);

CREATE TABLE deployments (
    id TEXT NOT NULL PRIMARY KEY,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    purpose TEXT NOT NULL,
    release_id TEXT NOT NULL,
    version TEXT NOT NULL,
    strategy TEXT NOT NULL,
    actor TEXT NOT NULL,
    host TEXT NOT NULL,
    token BIGINT NOT NULL, -- of the lease it last ran under
    started_at BIGINT NOT NULL,
    ended_at BIGINT, -- none: running or cut off
    state TEXT NOT NULL, -- one that runs without a live lease of its token is cut off
    verdict TEXT,
    configuration_digest TEXT NOT NULL REFERENCES blobs (digest),
    strategy_digest TEXT NOT NULL REFERENCES blobs (digest),
    brief TEXT NOT NULL, -- large, so it comes last
    FOREIGN KEY (application, release_id) REFERENCES releases (application, id)
);
CREATE INDEX deployments_by_scope ON deployments (application, environment, started_at);
CREATE INDEX deployments_unfinished ON deployments (application, environment, token)
WHERE ended_at IS NULL;
CREATE INDEX deployments_succeeded ON deployments (application, environment, release_id, token)
WHERE state = 'succeeded';

CREATE TABLE plugin_pins (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (deployment, kind, name)
);

CREATE TABLE records (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    sequence BIGINT NOT NULL,
    origin TEXT NOT NULL,
    operation TEXT,
    effect TEXT,
    undo TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    token BIGINT NOT NULL, -- of the lease it was written under
    started_at BIGINT NOT NULL,
    result TEXT,
    report TEXT,
    ended_at BIGINT, -- none: under way
    PRIMARY KEY (deployment, sequence)
) WITHOUT ROWID;

CREATE TABLE notes (
    deployment TEXT NOT NULL,
    plugin TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (deployment, plugin, name)
);

CREATE TABLE locks (
    name TEXT NOT NULL PRIMARY KEY,
    token BIGINT NOT NULL,
    holder TEXT NOT NULL,
    until_at BIGINT -- none: nobody holds it
);

CREATE TABLE audit (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    deployment TEXT,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    host TEXT NOT NULL,
    details TEXT NOT NULL,
    hash TEXT NOT NULL -- over the hash of the row before and this row
) WITHOUT ROWID;
CREATE INDEX audit_by_deployment ON audit (deployment);

-- One row: where the audit ends.
CREATE TABLE audit_head (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    last_sequence BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (one, last_sequence, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
