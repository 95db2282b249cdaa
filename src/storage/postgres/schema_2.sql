ALTER TABLE {}.client
    ADD COLUMN fold bytea,
    ADD COLUMN blocked boolean NOT NULL DEFAULT false,
    ADD COLUMN keep_until bigint,
    ADD COLUMN granted boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX client_fold ON {}.client (fold) WHERE fold IS NOT NULL;
CREATE INDEX client_end ON {}.client (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX client_without_grant ON {}.client (keep_until, id) WHERE keep_until IS NOT NULL AND NOT granted;
CREATE INDEX grants_client ON {}.grants (client, id);
CREATE INDEX consent_client ON {}.consent (client, key);
CREATE TABLE {}.claim (
    key bytea PRIMARY KEY,
    keep_until bigint NOT NULL
);
CREATE TABLE {}.scopes (
    is_all boolean PRIMARY KEY CHECK (is_all),
    revision bigint NOT NULL,
    data text NOT NULL
);
