-- Every table that is not the system's, with all that a row of it must satisfy: one JSON document each.
SELECT pg_catalog.jsonb_build_object(
  'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname,
  'partitioned', c.relkind = 'p', 'forced_security', c.relrowsecurity AND c.relforcerowsecurity,
  'bound', CASE WHEN c.relispartition THEN pg_catalog.pg_get_partition_constraintdef(c.oid) END,
  -- A few partitions are enough: the row needs only one of them.
  'leaves', COALESCE((
    SELECT pg_catalog.jsonb_agg(COALESCE(pg_catalog.pg_get_partition_constraintdef(leaf.oid), 'true'))
    FROM (SELECT l.oid FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class l ON l.oid = t.relid
          WHERE c.relkind = 'p' AND t.isleaf AND l.relkind = 'r' ORDER BY l.oid LIMIT 12) leaf), '[]'),
  'columns', COALESCE((
    SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'number', a.attnum, 'name', a.attname, 'type', a.atttypid::bigint, 'typmod', a.atttypmod,
      'sql', pg_catalog.format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
      'identity', a.attidentity::text, 'generated', a.attgenerated <> '',
      'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
  'checks', COALESCE((
    SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', k.conname, 'expression', pg_catalog.pg_get_expr(k.conbin, k.conrelid)) ORDER BY k.conname)
    FROM pg_catalog.pg_constraint k
    -- By name, because only PostgreSQL 18 has such a column.
    WHERE k.conrelid = c.oid AND k.contype = 'c'
      AND COALESCE((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true)), '[]'),
  'uniques', COALESCE((
    SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', x.relname, 'columns', i.indkey::pg_catalog.int2[],
      'expressions', pg_catalog.pg_get_expr(i.indexprs, i.indrelid),
      'partial', i.indpred IS NOT NULL, 'exclusion', i.indisexclusion, 'keys', i.indnkeyatts)
      ORDER BY i.indisprimary DESC, x.relname)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)), '[]'))::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
ORDER BY n.nspname, c.relname
