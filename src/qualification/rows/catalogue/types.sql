-- Every type that a column may have, and what its values are made of: one JSON document each.
SELECT pg_catalog.jsonb_build_object(
  'oid', t.oid::bigint, 'name', t.typname, 'built_in', n.nspname = 'pg_catalog',
  'kind', t.typtype::text, 'category', t.typcategory::text,
  'element', CASE WHEN t.typcategory = 'A' THEN t.typelem::bigint ELSE 0 END,
  'base', t.typbasetype::bigint, 'base_typmod', t.typtypmod,
  'base_sql', CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
  'not_null', t.typnotnull, 'default', t.typdefault,
  'subtype', COALESCE(r.rngsubtype, m.rngtypid, 0)::bigint,
  'labels', COALESCE((SELECT pg_catalog.jsonb_agg(e.enumlabel ORDER BY e.enumsortorder)
                      FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '[]'),
  'checks', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                        'name', k.conname, 'expression', pg_catalog.pg_get_expr(k.conbin, 0)) ORDER BY k.conname)
                      FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '[]'),
  'fields', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(a.atttypid::bigint, a.atttypmod)
                             ORDER BY a.attnum)
                      FROM pg_catalog.pg_attribute a
                      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
                        AND NOT a.attisdropped), '[]'))::text
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
LEFT JOIN pg_catalog.pg_range m ON m.rngmultitypid = t.oid
WHERE t.typtype <> 'p' AND (t.typtype <> 'c' OR n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'))
