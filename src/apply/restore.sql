-- Puts the session back between migrations. First what changes who asks, then the checks that a COMMIT would make.
RESET SESSION AUTHORIZATION;
RESET ROLE;
DO $schemagate$
DECLARE
  deferrable text;
  deferred text;
BEGIN
  -- By name and not ALL, which would also hold for constraints that a later file creates.
  SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', '),
         pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', ')
           FILTER (WHERE c.condeferred AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_constraint s
             WHERE s.connamespace = c.connamespace AND s.conname = c.conname AND NOT s.condeferrable))
  INTO deferrable, deferred
  FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
  WHERE c.condeferrable AND pg_catalog.has_schema_privilege(n.oid, 'USAGE');
  IF deferrable IS NOT NULL THEN
    EXECUTE 'SET CONSTRAINTS ' || deferrable || ' IMMEDIATE';
  END IF;
  IF deferred IS NOT NULL THEN
    EXECUTE 'SET CONSTRAINTS ' || deferred || ' DEFERRED';
  END IF;
END
$schemagate$;
