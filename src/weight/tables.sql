-- Of each name the first relation on the search_path, its table, and rows and bytes of that with all its partitions.
WITH wanted (place, schema_name, relation_name) AS (VALUES {names}),
found AS (
  SELECT DISTINCT ON (w.place) w.place, COALESCE(i.indrelid, c.oid) AS oid
  FROM wanted w
  JOIN pg_catalog.pg_class c ON c.relname = w.relation_name AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'f')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    AND (n.nspname = w.schema_name
         OR w.schema_name IS NULL AND n.nspname = ANY (pg_catalog.current_schemas(true)))
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
  ORDER BY w.place, pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)
)
SELECT f.place, n.nspname || '.' || c.relname, s.rows, s.bytes
FROM found f
JOIN pg_catalog.pg_class c ON c.oid = f.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  -- A partitioned table has none of its own; -1 stands for what was never counted.
  SELECT CASE WHEN pg_catalog.bool_and(p.reltuples >= 0) THEN pg_catalog.sum(p.reltuples)::bigint END AS rows,
         pg_catalog.sum({size})::bigint AS bytes
  FROM pg_catalog.pg_class p
  WHERE p.oid = c.oid AND c.relkind <> 'p'
     OR c.relkind = 'p' AND p.relkind <> 'p' AND p.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) t)
) s
