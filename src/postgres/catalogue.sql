-- One line for each object that people made, with everything that defines it. Objects of extensions are left out, their
-- extension is told; so is what initdb made, but for the rights on its schemas.
WITH member AS (
  SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), space AS (
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
  WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND m.objid = n.oid)
), relation AS (
  SELECT c.*, pg_catalog.quote_ident(s.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS shown
  FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace
  WHERE c.oid >= 16384
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid)
)
SELECT 'schema ' || pg_catalog.quote_ident(n.nspname) || ' owner ' || n.nspowner::pg_catalog.regrole::text
       || ' rights ' || COALESCE(n.nspacl::text, '-')
FROM space JOIN pg_catalog.pg_namespace n USING (oid)
UNION ALL
SELECT 'extension ' || e.extname || ' ' || e.extversion FROM pg_catalog.pg_extension e WHERE e.oid >= 16384
UNION ALL
SELECT CASE r.relkind WHEN 'r' THEN 'table ' WHEN 'p' THEN 'partitioned table ' WHEN 'v' THEN 'view '
                      WHEN 'm' THEN 'materialized view ' WHEN 'S' THEN 'sequence ' WHEN 'f' THEN 'foreign table '
                      WHEN 'c' THEN 'composite type ' ELSE 'relation ' END
       || r.shown || ' owner ' || r.relowner::pg_catalog.regrole::text || ' rights ' || COALESCE(r.relacl::text, '-')
       || ' ' || r.relpersistence::text || ' ' || COALESCE(r.reloptions::text, '-')
       || ' security ' || r.relrowsecurity::text || ' ' || r.relforcerowsecurity::text
       || ' bound ' || COALESCE(pg_catalog.pg_get_expr(r.relpartbound, r.oid), '-')
       || ' as ' || COALESCE(CASE WHEN r.relkind IN ('v', 'm') THEN pg_catalog.md5(pg_catalog.pg_get_viewdef(r.oid)) END, '-')
FROM relation r WHERE r.relkind NOT IN ('i', 'I', 't')
UNION ALL
SELECT 'column ' || r.shown || '.' || pg_catalog.quote_ident(a.attname) || ' '
       || pg_catalog.format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || ' identity ' || a.attidentity::text
       || ' generated ' || a.attgenerated::text || ' default ' || COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '-')
       || ' rights ' || COALESCE(a.attacl::text, '-')
FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind NOT IN ('i', 'I', 't', 'S')
UNION ALL
SELECT 'index ' || r.shown || ' ' || pg_catalog.pg_get_indexdef(r.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END
FROM relation r JOIN pg_catalog.pg_index i ON i.indexrelid = r.oid
UNION ALL
SELECT 'constraint ' || COALESCE(r.shown, 'of a type') || ' ' || pg_catalog.quote_ident(k.conname) || ' '
       || pg_catalog.pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ' not validated' END
FROM pg_catalog.pg_constraint k JOIN space s ON s.oid = k.connamespace LEFT JOIN relation r ON r.oid = k.conrelid
WHERE k.oid >= 16384 AND (r.oid IS NOT NULL OR k.contypid <> 0)
  AND NOT EXISTS (SELECT FROM member m
                  WHERE (m.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND m.objid = k.oid)
                     OR (m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND m.objid = k.contypid))
UNION ALL
SELECT 'trigger ' || r.shown || ' ' || pg_catalog.pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL
SELECT 'internal triggers ' || r.shown || ' ' || pg_catalog.string_agg(DISTINCT t.tgenabled::text, ',')
FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND t.tgisinternal GROUP BY r.shown
UNION ALL
SELECT 'policy ' || r.shown || ' ' || p.polname || ' ' || p.polcmd::text || ' ' || p.polpermissive::text || ' '
       || p.polroles::text || ' ' || COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '-') || ' '
       || COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '-')
FROM relation r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT 'rule ' || r.shown || ' ' || pg_catalog.pg_get_ruledef(w.oid)
FROM relation r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'function ' || p.oid::pg_catalog.regprocedure::text || ' ' || p.prokind::text || ' owner '
       || p.proowner::pg_catalog.regrole::text || ' rights ' || COALESCE(p.proacl::text, '-') || ' '
       || pg_catalog.md5(CASE WHEN p.prokind = 'a' THEN '' ELSE pg_catalog.pg_get_functiondef(p.oid) END)
FROM pg_catalog.pg_proc p JOIN space s ON s.oid = p.pronamespace
WHERE p.oid >= 16384
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND m.objid = p.oid)
UNION ALL
SELECT 'type ' || pg_catalog.quote_ident(s.nspname) || '.' || pg_catalog.quote_ident(t.typname) || ' ' || t.typtype::text
       || ' ' || pg_catalog.format_type(t.typbasetype, t.typtypmod) || ' ' || t.typnotnull::text || ' '
       || COALESCE(t.typdefault, '-') || ' '
       || COALESCE((SELECT pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
                    FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '-')
FROM pg_catalog.pg_type t JOIN space s ON s.oid = t.typnamespace
WHERE t.oid >= 16384 AND t.typtype IN ('d', 'e', 'r')
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND m.objid = t.oid)
UNION ALL
SELECT 'comment ' || d.classoid::pg_catalog.regclass::text || ' ' || pg_catalog.md5(pg_catalog.string_agg(
         d.objoid::text || ' ' || d.objsubid::text || ' ' || d.description, E'\n' ORDER BY d.objoid, d.objsubid))
FROM pg_catalog.pg_description d WHERE d.objoid >= 16384 GROUP BY d.classoid
UNION ALL
SELECT 'event trigger ' || e.evtname || ' ' || e.evtevent || ' ' || e.evtfoid::pg_catalog.regproc::text || ' '
       || e.evtenabled::text
FROM pg_catalog.pg_event_trigger e WHERE e.oid >= 16384
UNION ALL
SELECT 'publication ' || p.pubname || ' ' || p.puballtables::text FROM pg_catalog.pg_publication p
UNION ALL
SELECT 'large objects ' || pg_catalog.count(*)::text FROM pg_catalog.pg_largeobject_metadata HAVING pg_catalog.count(*) > 0
