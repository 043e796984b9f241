-- Makes the checks that a COMMIT would make, and puts deferred constraints back.
DO $schemagate$
DECLARE
  deferrable_names text;
  deferred_names text;
BEGIN
  -- The search below takes four times as long as this one, and few databases have such a constraint.
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE condeferrable) THEN
    RETURN;
  END IF;
  -- By name and not ALL, which would also hold for constraints that a later file creates.
  SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', '),
         pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', ')
           FILTER (WHERE c.condeferred AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_constraint s
             WHERE s.connamespace = c.connamespace AND s.conname = c.conname AND NOT s.condeferrable))
  INTO deferrable_names, deferred_names
  FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
  WHERE c.condeferrable AND pg_catalog.has_schema_privilege(n.oid, 'USAGE');
  IF deferrable_names IS NOT NULL THEN
    EXECUTE 'SET CONSTRAINTS ' || deferrable_names || ' IMMEDIATE';
  END IF;
  IF deferred_names IS NOT NULL THEN
    EXECUTE 'SET CONSTRAINTS ' || deferred_names || ' DEFERRED';
  END IF;
END
$schemagate$;
