-- Every foreign key that is not an extension's. A partition's copy of its parent's key is marked: a row must satisfy it,
-- but it is no key of its own. The copies for the partitions of a referenced table are left out.
SELECT pg_catalog.jsonb_build_object(
  'name', k.conname, 'table', k.conrelid::bigint, 'referenced', k.confrelid::bigint,
  'columns', k.conkey, 'referenced_columns', k.confkey,
  'on_delete', k.confdeltype::text, 'on_update', k.confupdtype::text, 'full', k.confmatchtype = 'f',
  'deferred', k.condeferrable AND k.condeferred, 'validated', k.convalidated,
  -- By name, because not every version has these columns.
  'enforced', COALESCE((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true),
  'inherited', k.conparentid <> 0,
  'set_columns', COALESCE(NULLIF(pg_catalog.to_jsonb(k) -> 'confdelsetcols', 'null'), '[]'),
  'disabled', EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled = 'D'))::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_constraint p ON p.oid = k.conparentid
WHERE k.contype = 'f' AND (p.oid IS NULL OR p.conrelid <> k.conrelid AND p.confrelid = k.confrelid)
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname, k.conname
