-- Makes audit_log append-only: UPDATE, DELETE and TRUNCATE raise 42501, whoever asks.
--
-- Safe to run twice. What refuses is a trigger and not a missing privilege, because the owner of a
-- table holds every privilege on it, and the application often is the owner.

CREATE OR REPLACE FUNCTION audit_log_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = pg_catalog.format('the audit trail is append-only: %s on %I.%I is refused',
                                    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = 'Record the correction as a new row.';
END
$$;
COMMENT ON FUNCTION audit_log_refuse_change() IS 'Raises 42501 for every change to a row of audit_log.';

-- The statement trigger refuses even a change that would meet no row, and TRUNCATE has no other kind.
CREATE OR REPLACE TRIGGER audit_log_refuse_statement
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse_change();

-- The row trigger covers what fires no statement trigger here: a change that reaches the table through
-- a parent it inherits from, or through logical replication.
CREATE OR REPLACE TRIGGER audit_log_refuse_row
    BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuse_change();

-- ALWAYS: otherwise session_replication_role = replica would pass both by.
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_refuse_statement;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_refuse_row;
