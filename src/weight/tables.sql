-- Of each name the first relation on the search_path, its table, and rows and bytes of that with all its partitions. A schema that
-- this role may not use counts where no other has the name: who applies may be another role than who looks.
WITH wanted (place, schema_name, relation_name) AS (VALUES {names}),
path AS (
  SELECT n.oid, MIN(s.place) AS place, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable
  FROM (SELECT 'pg_catalog' AS name, 0 AS place
        UNION ALL
        SELECT CASE pg_catalog.btrim(e.word, ' "') WHEN '$user' THEN CURRENT_USER::text
                    ELSE pg_catalog.btrim(e.word, ' "') END, e.place
        FROM pg_catalog.regexp_split_to_table(pg_catalog.current_setting('search_path'), ',')
             WITH ORDINALITY AS e (word, place)) AS s
  JOIN pg_catalog.pg_namespace n ON n.nspname = s.name
  GROUP BY n.oid
),
found AS (
  SELECT DISTINCT ON (w.place) w.place, COALESCE(i.indrelid, c.oid) AS oid
  FROM wanted w
  JOIN pg_catalog.pg_class c ON c.relname = w.relation_name AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'f')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN path p ON p.oid = n.oid
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
  WHERE n.nspname = w.schema_name OR w.schema_name IS NULL AND p.oid IS NOT NULL
  ORDER BY w.place, p.usable DESC, p.place
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
