"""Tables, row-level security and functions of a store in PostgreSQL, and how they came to be.

Every row has the key of its tenant, and a policy shows a connection the rows of one tenant only:
the one in the setting `ctxmem.tenant`, which every function here sets for its transaction. So a
query with a wrong or missing condition returns nothing of another tenant. PostgreSQL does not apply
policies to superusers; the role of an application should be none.

What is called often is a function in the database, so that it takes one round trip and one
transaction.
"""

from __future__ import annotations

MIGRATIONS = (
    """
CREATE TABLE head (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant bytea NOT NULL,
    key bytea NOT NULL UNIQUE,
    tenant_name bytea NOT NULL,
    session_name bytea NOT NULL,
    version bigint NOT NULL,
    checksum bytea NOT NULL,
    created bytea NOT NULL,
    used bytea NOT NULL,
    used_at double precision NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX head_tenant ON head (tenant);
CREATE TABLE record (
    session bigint NOT NULL,
    version bigint NOT NULL,
    tenant bytea NOT NULL,
    checksum bytea NOT NULL,
    payload bytea NOT NULL,
    writer bytea,
    PRIMARY KEY (session, version)
);
CREATE TABLE page (
    session bigint NOT NULL,
    id bytea NOT NULL,
    tenant bytea NOT NULL,
    checksum bytea NOT NULL,
    payload bytea NOT NULL,
    added bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (session, id)
);
CREATE TABLE snapshot (
    session bigint PRIMARY KEY,
    tenant bytea NOT NULL,
    version bigint NOT NULL,
    checksum bytea NOT NULL
);
CREATE TABLE part (
    session bigint NOT NULL,
    name bytea NOT NULL,
    tenant bytea NOT NULL,
    checksum bytea NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (session, name)
);
DO $do$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['head', 'record', 'page', 'snapshot', 'part'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY one_tenant ON %I USING ('
            'current_setting(''ctxmem.tenant'', true) IN (''*'', encode(tenant, ''hex'')))',
            name);
    END LOOP;
END $do$;

CREATE FUNCTION head_of(of_tenant bytea, of_key bytea)
RETURNS TABLE (number bigint, version bigint, checksum bytea, created bytea, used bytea)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $do$
BEGIN
    PERFORM set_config('ctxmem.tenant', encode(of_tenant, 'hex'), true);
    RETURN QUERY SELECT h.number, h.version, h.checksum, h.created, h.used
        FROM head h WHERE h.key = of_key;
END $do$;

CREATE FUNCTION records_of(of_tenant bytea, of_session bigint, first bigint, last bigint)
RETURNS TABLE (version bigint, checksum bytea, payload bytea)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $do$
BEGIN
    PERFORM set_config('ctxmem.tenant', encode(of_tenant, 'hex'), true);
    RETURN QUERY SELECT r.version, r.checksum, r.payload FROM record r
        WHERE r.session = of_session AND r.version BETWEEN first AND last ORDER BY r.version;
END $do$;
""",
    """
-- A subquery for each page, here and below: a join may read all pages of the session.
CREATE OR REPLACE FUNCTION pages_of(of_tenant bytea, of_key bytea, ids bytea[])
RETURNS TABLE (id bytea, checksum bytea, payload bytea)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $do$
BEGIN
    PERFORM set_config('ctxmem.tenant', encode(of_tenant, 'hex'), true);
    RETURN QUERY SELECT x.id, p.checksum, p.payload FROM head h, unnest(ids) AS x (id),
        LATERAL (SELECT page.checksum, page.payload FROM page
            WHERE page.session = h.number AND page.id = x.id OFFSET 0) AS p
        WHERE h.key = of_key;
END $do$;

-- Write records and pages behind a version. `outcome` says what happened: 'written'; 'ours' if an
-- earlier call with this writer already wrote them; else nothing was written: 'gone', 'conflict',
-- 'damaged', or 'pages' if some are there with other bytes.
CREATE OR REPLACE FUNCTION append(
    of_tenant bytea, of_key bytea, of_tenant_name bytea, of_session_name bytea,
    expected bigint, incarnation bigint, old_checksum bytea, new_checksum bytea,
    now_sealed bytea, now_at double precision,
    payloads bytea[], checksums bytea[], of_writer bytea,
    page_ids bytea[], page_checksums bytea[], page_payloads bytea[], overwrite boolean,
    OUT outcome text, OUT session bigint, OUT at bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $do$
DECLARE
    h record;
    n bigint := coalesce(cardinality(payloads), 0);
BEGIN
    PERFORM set_config('ctxmem.tenant', encode(of_tenant, 'hex'), true);
    SELECT number, version, checksum INTO h FROM head WHERE key = of_key FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'gone';
        IF expected > 0 OR incarnation IS NOT NULL THEN
            RETURN;
        END IF;
        INSERT INTO head
            (tenant, key, tenant_name, session_name, version, checksum, created, used, used_at)
            VALUES (of_tenant, of_key, of_tenant_name, of_session_name, 0, old_checksum,
                now_sealed, now_sealed, now_at)
            ON CONFLICT (key) DO NOTHING;
        SELECT number, version, checksum INTO h FROM head WHERE key = of_key FOR UPDATE;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    session := h.number;
    at := h.version;
    IF h.number <> incarnation THEN
        outcome := 'gone';
        RETURN;
    END IF;
    IF h.version <> expected THEN
        outcome := 'conflict';
        IF EXISTS (SELECT 1 FROM record r WHERE r.session = h.number
                AND r.version = expected + 1 AND r.writer = of_writer) THEN
            outcome := 'ours';
            at := expected + n;
        END IF;
        RETURN;
    END IF;
    IF h.checksum <> old_checksum THEN
        outcome := 'damaged';
        RETURN;
    END IF;
    IF cardinality(page_ids) > 0 THEN
        IF NOT overwrite AND EXISTS (
            SELECT 1 FROM unnest(page_ids, page_checksums, page_payloads) AS x (id, c, p)
                WHERE (SELECT page.checksum <> x.c OR page.payload <> x.p FROM page
                    WHERE page.session = h.number AND page.id = x.id)) THEN
            outcome := 'pages';
            RETURN;
        END IF;
        INSERT INTO page (session, id, tenant, checksum, payload)
            SELECT h.number, x.id, of_tenant, x.c, x.p
            FROM unnest(page_ids, page_checksums, page_payloads) AS x (id, c, p)
            ON CONFLICT ON CONSTRAINT page_pkey DO UPDATE
                SET checksum = excluded.checksum, payload = excluded.payload
                WHERE page.checksum <> excluded.checksum OR page.payload <> excluded.payload;
    END IF;
    INSERT INTO record (session, version, tenant, checksum, payload, writer)
        SELECT h.number, expected + x.i, of_tenant, x.c, x.p, CASE WHEN x.i = 1 THEN of_writer END
        FROM unnest(checksums, payloads) WITH ORDINALITY AS x (c, p, i);
    UPDATE head SET version = expected + n, checksum = new_checksum, used = now_sealed,
        used_at = now_at WHERE number = h.number;
    outcome := 'written';
    at := expected + n;
END $do$;
""",
)
"""Statements that bring the tables from a format to the next one; the first makes them."""

FORMAT = len(MIGRATIONS)
"""The format of the tables that this version reads and writes."""
