-- Clients that registered themselves, which end, what counts once, and scopes as data.

ALTER TABLE client ADD COLUMN fold BLOB;                           -- what identical registrations share
ALTER TABLE client ADD COLUMN keep_until INTEGER;                  -- none: until it is removed
ALTER TABLE client ADD COLUMN granted INTEGER NOT NULL DEFAULT 0;  -- whether it ever got a grant

CREATE UNIQUE INDEX client_fold ON client (fold) WHERE fold IS NOT NULL;
CREATE INDEX client_end ON client (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX client_without_grant ON client (keep_until, id) WHERE keep_until IS NOT NULL AND NOT granted;

CREATE TABLE claim (
    key        BLOB NOT NULL PRIMARY KEY,    -- SHA-256 of what counts once
    keep_until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX claim_end ON claim (keep_until);

CREATE TABLE scopes (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    data     TEXT NOT NULL                   -- JSON
);

CREATE INDEX grants_client ON grants (client) WHERE NOT revoked;
CREATE INDEX consent_client ON consent (client);
CREATE INDEX consent_subject ON consent (subject);
