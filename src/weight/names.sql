-- The search_path, place by place. A schema that this role may not use comes last: who applies may be another role than who looks.
SELECT s.name
FROM (SELECT CASE pg_catalog.btrim(e.word, ' "') WHEN '$user' THEN CURRENT_USER::text
                  ELSE pg_catalog.btrim(e.word, ' "') END AS name, e.place
      FROM pg_catalog.regexp_split_to_table(pg_catalog.current_setting('search_path'), ',')
           WITH ORDINALITY AS e (word, place)) AS s
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.name
ORDER BY n.oid IS NOT NULL AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE'), s.place;
SELECT n.nspname FROM pg_catalog.pg_namespace n;
-- Each relation of these names, with the table that it is or is an index of, and the default partition of that.
SELECT n.nspname, c.relname, COALESCE(i.indrelid, c.oid), p.partdefid
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid AND p.partdefid <> 0
WHERE c.relname IN ({names}) AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'f') AND n.nspname !~ '^pg_(toast_)?temp_'
