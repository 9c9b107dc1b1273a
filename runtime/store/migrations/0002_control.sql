-- Deployments that others run and control: a queue, and signals. Leases know their length, so
-- that a clock that was set back shows.

ALTER TABLE leases ADD COLUMN ttl_ms BIGINT; -- none: written before this column was there

ALTER TABLE deployments ADD COLUMN detached BIGINT NOT NULL DEFAULT 0; -- 1: was queued once
CREATE INDEX deployments_queued ON deployments (started_at) WHERE state = 'queued';

CREATE TABLE signals (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    details TEXT NOT NULL,
    actor TEXT NOT NULL,
    host TEXT NOT NULL,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL,
    taken_at BIGINT, -- none: nobody has acted on it
    taken_token BIGINT, -- of the lease under which it was acted on
    PRIMARY KEY (deployment, number)
) WITHOUT ROWID;
