-- grantor's tables. Every id is in the order of time; every time is in milliseconds.

CREATE TABLE IF NOT EXISTS oauth_client (
    id         TEXT PRIMARY KEY,
    revision   INTEGER NOT NULL,
    data       TEXT NOT NULL,
    fold       BLOB UNIQUE,               -- what identical registrations share
    keep_until INTEGER,                   -- NULL: until it is removed
    granted    INTEGER NOT NULL DEFAULT 0 -- whether it ever got a grant
) STRICT;

CREATE TABLE IF NOT EXISTS oauth_claim (
    key        BLOB PRIMARY KEY,
    keep_until INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS oauth_policy (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    data     TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS oauth_decision (
    prompt     BLOB PRIMARY KEY,
    approved   INTEGER NOT NULL,
    keep_until INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS oauth_consent (
    subject      TEXT NOT NULL,
    client       TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    resources    TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    PRIMARY KEY (subject, client, redirect_uri, resources)
) STRICT;

CREATE TABLE IF NOT EXISTS oauth_grant (
    id         INTEGER PRIMARY KEY,
    subject    TEXT, -- NULL: the client's own access
    client     TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    resources  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS oauth_code (
    id           INTEGER PRIMARY KEY,
    grant_id     INTEGER NOT NULL,
    hash         BLOB NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge    BLOB NOT NULL,
    expires_at   INTEGER NOT NULL,
    redeemed     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS oauth_access_token (
    id         INTEGER PRIMARY KEY,
    grant_id   INTEGER NOT NULL,
    hash       BLOB NOT NULL,
    scopes     TEXT NOT NULL,
    resource   TEXT NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS oauth_refresh_token (
    id          INTEGER PRIMARY KEY,
    grant_id    INTEGER NOT NULL,
    hash        BLOB NOT NULL,
    expires_at  INTEGER NOT NULL,
    predecessor INTEGER, -- the token that it took the place of
    successor   INTEGER, -- set with the next two by its first use
    grace_until INTEGER,
    answer      BLOB
) STRICT;

-- A user's list of grants, all of a client, and what clean-up looks for.
CREATE INDEX IF NOT EXISTS oauth_grant_subject ON oauth_grant (subject, id);
CREATE INDEX IF NOT EXISTS oauth_grant_client ON oauth_grant (client);
CREATE INDEX IF NOT EXISTS oauth_consent_client ON oauth_consent (client);
CREATE INDEX IF NOT EXISTS oauth_client_end ON oauth_client (keep_until);
CREATE INDEX IF NOT EXISTS oauth_client_without_grant ON oauth_client (keep_until, id)
    WHERE keep_until IS NOT NULL AND NOT granted;
CREATE INDEX IF NOT EXISTS oauth_claim_end ON oauth_claim (keep_until);
CREATE INDEX IF NOT EXISTS oauth_grant_end ON oauth_grant (expires_at);
CREATE INDEX IF NOT EXISTS oauth_decision_end ON oauth_decision (keep_until);
CREATE INDEX IF NOT EXISTS oauth_code_end ON oauth_code (expires_at);
CREATE INDEX IF NOT EXISTS oauth_access_token_end ON oauth_access_token (expires_at);
CREATE INDEX IF NOT EXISTS oauth_refresh_token_end ON oauth_refresh_token (expires_at);
CREATE INDEX IF NOT EXISTS oauth_answer_end ON oauth_refresh_token (grace_until) WHERE answer IS NOT NULL;
