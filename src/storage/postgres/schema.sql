CREATE TABLE {}.client (
    id text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL,
    data text NOT NULL
);
CREATE TABLE {}.decision (
    prompt bytea PRIMARY KEY,
    keep_until bigint NOT NULL,
    approved boolean NOT NULL
);
CREATE TABLE {}.consent (
    key bytea PRIMARY KEY,
    subject_key bytea NOT NULL,
    subject bytea NOT NULL,
    client text COLLATE "C" NOT NULL,
    redirect_uri bytea NOT NULL,
    resources text COLLATE "C" NOT NULL,
    scopes text COLLATE "C" NOT NULL
);
CREATE INDEX consent_subject ON {}.consent (subject_key);
CREATE TABLE {}.grants (
    id bigint PRIMARY KEY,
    expires_at bigint NOT NULL,
    created_at bigint NOT NULL,
    revoked boolean NOT NULL,
    subject_key bytea,
    subject bytea,
    client text COLLATE "C" NOT NULL,
    scopes text COLLATE "C" NOT NULL,
    resources text COLLATE "C" NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX grants_subject ON {}.grants (subject_key, id);
CREATE TABLE {}.code (
    id bigint PRIMARY KEY,
    grant_id bigint NOT NULL,
    expires_at bigint NOT NULL,
    uses integer NOT NULL,
    hash bytea NOT NULL,
    challenge bytea NOT NULL,
    redirect_uri bytea NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE {}.access_token (
    id bigint PRIMARY KEY,
    grant_id bigint NOT NULL,
    expires_at bigint NOT NULL,
    issued_at bigint NOT NULL,
    hash bytea NOT NULL,
    scopes text COLLATE "C",
    resource text COLLATE "C"
);
CREATE TABLE {}.refresh_token (
    id bigint PRIMARY KEY,
    grant_id bigint NOT NULL,
    expires_at bigint NOT NULL,
    predecessor bigint,
    successor bigint,
    grace_until bigint,
    uses integer NOT NULL,
    hash bytea NOT NULL,
    answer bytea
) WITH (fillfactor = 80);
CREATE INDEX refresh_token_answer ON {}.refresh_token (grace_until) WHERE answer IS NOT NULL;
