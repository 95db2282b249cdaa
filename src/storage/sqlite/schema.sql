-- Ids are ordered by time, so that new rows lie together and rows that ended can be removed by ranges.
-- Times are milliseconds since 1970. There are no foreign keys: a look-up joins the grant, and without
-- its grant a row means nothing.

CREATE TABLE client (
    id       TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    data     TEXT NOT NULL              -- JSON
) WITHOUT ROWID;

CREATE TABLE decision (
    prompt     BLOB NOT NULL PRIMARY KEY,
    keep_until INTEGER NOT NULL,
    approved   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE consent (
    key          BLOB NOT NULL PRIMARY KEY,  -- SHA-256 of subject, client, redirect URI and resources
    owner        BLOB NOT NULL,              -- SHA-256 of subject and client
    subject      TEXT NOT NULL,
    client       TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    resources    TEXT NOT NULL,              -- separated by spaces
    scopes       TEXT NOT NULL               -- separated by spaces
) WITHOUT ROWID;

CREATE INDEX consent_owner ON consent (owner);

CREATE TABLE grants (
    id         INTEGER PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    revoked    INTEGER NOT NULL DEFAULT 0,
    subject    TEXT,                         -- none: the client's own
    client     TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    resources  TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE INDEX grants_subject ON grants (subject, id) WHERE subject IS NOT NULL;

CREATE TABLE code (
    id           INTEGER PRIMARY KEY,
    expires_at   INTEGER NOT NULL,
    grant_id     INTEGER NOT NULL,
    uses         INTEGER NOT NULL DEFAULT 0,
    hash         BLOB NOT NULL,              -- SHA-256 of the secret
    challenge    BLOB NOT NULL,
    redirect_uri TEXT NOT NULL
);

CREATE TABLE access_token (
    id         INTEGER PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    grant_id   INTEGER NOT NULL,
    issued_at  INTEGER NOT NULL,
    hash       BLOB NOT NULL,                -- SHA-256 of the secret
    scopes     TEXT,                         -- none: those of the grant
    resource   TEXT                          -- none: the first of the grant
);

CREATE TABLE refresh_token (
    id          INTEGER PRIMARY KEY,
    expires_at  INTEGER NOT NULL,
    grant_id    INTEGER NOT NULL,
    hash        BLOB NOT NULL,               -- SHA-256 of the secret
    predecessor INTEGER,
    uses        INTEGER NOT NULL DEFAULT 0,
    successor   INTEGER,
    grace_until INTEGER,
    answer      BLOB                         -- sealed under a key that only the token gives
);

CREATE INDEX refresh_token_answer ON refresh_token (grace_until) WHERE answer IS NOT NULL;
