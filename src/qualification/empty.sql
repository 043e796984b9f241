-- Drops everything that people made in this database.
DO $schemagate$
DECLARE
  statement text;
BEGIN
  FOR statement IN
    SELECT pg_catalog.format('DROP EVENT TRIGGER IF EXISTS %I CASCADE', evtname)
    FROM pg_catalog.pg_event_trigger WHERE oid >= 16384
    UNION ALL
    SELECT pg_catalog.format('DROP PUBLICATION IF EXISTS %I CASCADE', pubname) FROM pg_catalog.pg_publication
  LOOP
    EXECUTE statement;
  END LOOP;
  FOR statement IN
    SELECT pg_catalog.format('DROP SCHEMA IF EXISTS %I CASCADE', n.nspname)
    FROM pg_catalog.pg_namespace n
    -- One of that name may have been made anew before it was given.
    WHERE n.oid >= 16384 AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'public'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
  LOOP
    EXECUTE statement;
  END LOOP;
  -- What lies in schemas that were there before: relations first, as types and functions may be part of them.
  LOOP
    SELECT o.statement INTO statement
    FROM (
      SELECT 1 AS place, pg_catalog.format('DROP %s IF EXISTS %s CASCADE',
               CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                              WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
               c.oid::regclass) AS statement, 'pg_catalog.pg_class'::regclass AS class, c.oid, c.relnamespace AS space
      FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      UNION ALL
      SELECT 2, pg_catalog.format('DROP %s IF EXISTS %s CASCADE',
               CASE p.prokind WHEN 'a' THEN 'AGGREGATE' ELSE 'ROUTINE' END, p.oid::regprocedure),
             'pg_catalog.pg_proc'::regclass, p.oid, p.pronamespace
      FROM pg_catalog.pg_proc p
      UNION ALL
      SELECT 3, pg_catalog.format('DROP TYPE IF EXISTS %s CASCADE', t.oid::regtype),
             'pg_catalog.pg_type'::regclass, t.oid, t.typnamespace
      FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
      WHERE t.typtype IN ('d', 'e', 'r') OR c.relkind = 'c'
    ) o
    JOIN pg_catalog.pg_namespace n ON n.oid = o.space
    WHERE o.oid >= 16384 AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i'))
    ORDER BY o.place LIMIT 1;
    EXIT WHEN NOT FOUND;
    EXECUTE statement;
  END LOOP;
  PERFORM pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata;
END
$schemagate$
