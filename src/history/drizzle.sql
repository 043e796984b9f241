DO $schemagate$
DECLARE
  drizzle regclass := pg_catalog.to_regclass({drizzle});
  rows refcursor := 'schemagate_drizzle';
  parts refcursor := 'schemagate_parts';
  progress regclass := (SELECT pg_catalog.to_regclass(pg_catalog.format('%I.%I', n.nspname, {progress}))
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = pg_catalog.to_regclass({history}));
  named boolean := EXISTS (SELECT FROM pg_catalog.pg_attribute
    WHERE attrelid = drizzle AND attname = 'name' AND attnum > 0 AND NOT attisdropped);
BEGIN
  IF (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute
      WHERE attrelid = drizzle AND attnum > 0 AND NOT attisdropped
        AND attname IN ('id', 'hash', 'created_at')) = 3 THEN
    OPEN rows FOR EXECUTE pg_catalog.format(
      'SELECT id::text, hash::text, created_at::text, %s FROM %s ORDER BY id',
      CASE WHEN named THEN 'name::text' ELSE 'NULL::text' END, drizzle);
  ELSE
    OPEN rows FOR SELECT NULL::text, NULL::text, NULL::text, NULL::text WHERE false;
  END IF;
  IF progress IS NULL THEN
    OPEN parts FOR SELECT NULL::text, NULL::text WHERE false;
  ELSE
    OPEN parts FOR EXECUTE pg_catalog.format('SELECT version::text, checksum::text FROM %s', progress);
  END IF;
  PERFORM pg_catalog.set_config('schemagate.drizzle_named', named::text, true);
END
$schemagate$;
SELECT n.nspname, c.relname, c.relkind, pg_catalog.current_setting('schemagate.drizzle_named'),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attname IN ('id', 'hash', 'created_at')) = 3
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass({drizzle});
FETCH ALL FROM schemagate_drizzle;
FETCH ALL FROM schemagate_parts
