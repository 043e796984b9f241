-- Every object that is not the system's and not in a history's schema, one line each: what it is, its name, how it is
-- defined. Numbers that the server gives (oids, attribute numbers of dropped columns) are left out.
WITH ours AS (
  SELECT oid, nspname FROM pg_namespace
  WHERE nspname <> 'information_schema' AND nspname <> 'drizzle' AND nspname NOT LIKE 'pg\_%'
), relations AS (
  SELECT c.*, o.nspname FROM pg_class c JOIN ours o ON o.oid = c.relnamespace
)
SELECT line FROM (
  SELECT 'schema ' || nspname FROM ours
  UNION ALL
  SELECT format('relation %s.%s %s %s rls %s', nspname, relname, relkind, relpersistence, relrowsecurity) FROM relations
  UNION ALL
  SELECT format('column %s.%s.%s %s%s%s%s%s collation %s', nspname, relname, attname,
                format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' not null' END,
                ' default ' || pg_get_expr(d.adbin, d.adrelid), ' identity ' || NULLIF(attidentity::text, ''),
                ' generated ' || NULLIF(attgenerated::text, ''), attcollation::regcollation)
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'v', 'm')
  UNION ALL
  SELECT format('position %s.%s %s', nspname, relname, string_agg(attname, ', ' ORDER BY attnum))
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
  WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'v', 'm') GROUP BY nspname, relname
  UNION ALL
  SELECT format('constraint %s on %s: %s valid %s', conname, conrelid::regclass, pg_get_constraintdef(c.oid), convalidated)
  FROM pg_constraint c JOIN ours o ON o.oid = c.connamespace
  UNION ALL
  SELECT format('index %s valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid)
  FROM pg_index i JOIN relations r ON r.oid = i.indexrelid WHERE r.relkind IN ('i', 'I')
  UNION ALL
  SELECT format('sequence %s.%s %s from %s by %s in %s to %s owned by %s', r.nspname, r.relname, format_type(s.seqtypid, NULL),
                seqstart, seqincrement, seqmin, seqmax, d.refobjid::regclass)
  FROM pg_sequence s JOIN relations r ON r.oid = s.seqrelid
  LEFT JOIN pg_depend d ON d.objid = r.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  UNION ALL
  SELECT format('view %s.%s %s', nspname, relname, pg_get_viewdef(oid)) FROM relations WHERE relkind IN ('v', 'm')
  UNION ALL
  SELECT format('enum %s.%s %s', o.nspname, t.typname, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder))
  FROM pg_type t JOIN ours o ON o.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY o.nspname, t.typname
  UNION ALL
  SELECT format('function %s', pg_get_functiondef(p.oid)) FROM pg_proc p JOIN ours o ON o.oid = p.pronamespace
  UNION ALL
  SELECT format('trigger %s', pg_get_triggerdef(t.oid)) FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid
  WHERE NOT t.tgisinternal
  UNION ALL
  SELECT format('policy %s on %s %s', polname, polrelid::regclass, polcmd) FROM pg_policy
  UNION ALL
  SELECT format('comment on %s: %s', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
  FROM pg_description d LEFT JOIN relations r ON r.oid = d.objoid AND d.classoid = 'pg_class'::regclass
  WHERE r.oid IS NOT NULL OR d.classoid = 'pg_proc'::regclass AND d.objoid >= 16384
  UNION ALL
  SELECT format('rows %s.%s %s', nspname, relname,
                (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', nspname, relname), false, true, '')))[1])
  FROM relations WHERE relkind = 'r'
  UNION ALL
  SELECT format('extension %s', extname) FROM pg_extension
) AS objects (line) ORDER BY line
