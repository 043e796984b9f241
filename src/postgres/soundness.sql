-- Indexes that serve no query, and constraints that were never checked against the rows that are there.
SELECT 'index', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname NOT LIKE 'pg\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
UNION ALL
SELECT 'constraint', pg_catalog.quote_ident(k.conname) || ' of ' || pg_catalog.quote_ident(n.nspname) || '.'
       || pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT k.convalidated AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  -- From version 18 on a constraint may be declared as not enforced; it is meant to be so.
  AND COALESCE((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true)
ORDER BY 1, 2
