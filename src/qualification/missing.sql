-- Which of the objects do not exist.
SELECT o.label
FROM (VALUES {objects}) AS o (kind, schema_name, object_name, table_name, label)
WHERE NOT CASE
  WHEN o.kind IN ('table', 'index', 'view', 'materialized view', 'sequence') THEN EXISTS (
    SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = o.object_name AND n.nspname = COALESCE(o.schema_name, n.nspname)
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND c.relkind = ANY (CASE o.kind
        WHEN 'table' THEN ARRAY['r', 'p', 'f'] WHEN 'index' THEN ARRAY['i', 'I'] WHEN 'view' THEN ARRAY['v']
        WHEN 'sequence' THEN ARRAY['S'] ELSE ARRAY['m'] END::"char"[]))
  WHEN o.kind = 'type' THEN EXISTS (
    SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typname = o.object_name AND n.nspname = COALESCE(o.schema_name, n.nspname) AND n.nspname <> 'pg_catalog')
  WHEN o.kind = 'function' THEN EXISTS (
    SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proname = o.object_name AND n.nspname = COALESCE(o.schema_name, n.nspname) AND n.nspname <> 'pg_catalog')
  WHEN o.kind = 'trigger' THEN EXISTS (
    SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    WHERE t.tgname = o.object_name AND c.relname = COALESCE(o.table_name, c.relname))
  WHEN o.kind = 'policy' THEN EXISTS (
    SELECT FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    WHERE p.polname = o.object_name AND c.relname = COALESCE(o.table_name, c.relname))
  WHEN o.kind = 'constraint' THEN EXISTS (
    SELECT FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    WHERE k.conname = o.object_name AND c.relname = COALESCE(o.table_name, c.relname))
  WHEN o.kind = 'schema' THEN EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = o.object_name)
  ELSE EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = o.object_name)
END
