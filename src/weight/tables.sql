-- Of each table: name, rows and bytes with all its partitions and children, its own bytes, and the columns that are NOT NULL in all
-- of these. A size takes a lock that waits for who has a table for itself: such a table is as large as when it was last vacuumed.
WITH RECURSIVE tree (root, oid) AS (
  VALUES {oids}
  UNION
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
),
shut AS MATERIALIZED (
  SELECT l.relation
  FROM pg_catalog.pg_locks l
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
),
parts (oid, part, pages) AS MATERIALIZED (
  SELECT t.oid, c.oid, c.relpages
  FROM (SELECT DISTINCT oid FROM tree) t
  JOIN pg_catalog.pg_class p ON p.oid = t.oid
  CROSS JOIN LATERAL (SELECT p.oid UNION ALL SELECT p.reltoastrelid UNION ALL
                      SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid IN (p.oid, p.reltoastrelid)) AS e (oid)
  JOIN pg_catalog.pg_class c ON c.oid = e.oid
),
pages AS MATERIALIZED (
  SELECT p.oid, pg_catalog.sum(p.pages) AS pages, pg_catalog.bool_or(p.part IN (SELECT s.relation FROM shut s)) AS shut
  FROM parts p
  GROUP BY p.oid
),
sized AS MATERIALIZED (
  SELECT g.oid, c.relkind, c.reltuples,
         COALESCE(CASE WHEN NOT g.shut THEN {size} END,
                  CASE WHEN c.relkind = 'p' THEN 0
                       WHEN c.reltuples >= 0 THEN g.pages * pg_catalog.current_setting('block_size')::bigint END) AS bytes
  FROM pages g JOIN pg_catalog.pg_class c ON c.oid = g.oid
)
SELECT r.oid,
       CASE WHEN n.nspname ~ '^[a-z_][a-z0-9_]*$' THEN n.nspname ELSE pg_catalog.quote_ident(n.nspname) END
         || '.' ||
       CASE WHEN r.relname ~ '^[a-z_][a-z0-9_]*$' THEN r.relname ELSE pg_catalog.quote_ident(r.relname) END,
       r.relname, r.relkind = 'p', s.rows, s.bytes::bigint, own.bytes::bigint, a.columns
FROM (SELECT DISTINCT root FROM tree) w
JOIN pg_catalog.pg_class r ON r.oid = w.root
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN sized own ON own.oid = r.oid
CROSS JOIN LATERAL (
  -- A partitioned table has none of its own; -1 stands for what was never counted.
  SELECT CASE WHEN pg_catalog.bool_and(z.reltuples >= 0) FILTER (WHERE z.relkind <> 'p')
              THEN pg_catalog.sum(z.reltuples) FILTER (WHERE z.relkind <> 'p') END::bigint AS rows,
         CASE WHEN pg_catalog.bool_and(z.bytes IS NOT NULL) OR pg_catalog.sum(z.bytes) >= {enough}
              THEN pg_catalog.sum(z.bytes) END AS bytes
  FROM tree t JOIN sized z ON z.oid = t.oid
  WHERE t.root = r.oid
) s
CROSS JOIN LATERAL (
  SELECT pg_catalog.json_agg(e.attname) AS columns
  FROM (SELECT a.attname
        FROM tree t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid AND c.contype = 'n' AND c.conkey = ARRAY[a.attnum]
        WHERE t.root = r.oid
        GROUP BY a.attname
        HAVING pg_catalog.bool_and(a.attnotnull AND COALESCE(c.convalidated, true))) e
) a
