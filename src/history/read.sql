-- One message: a portal over the history (empty where there is none), the facts beside it and of the audit trail, the rows.
DO $schemagate$
DECLARE
  history regclass := pg_catalog.to_regclass({history});
  refinery regclass := pg_catalog.to_regclass('refinery_schema_history');
  rows refcursor := 'schemagate_history';
  filled boolean := false;
  elsewhere boolean := false;
BEGIN
  IF (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute
      WHERE attrelid = history AND attnum > 0 AND NOT attisdropped
        AND attname IN ('version', 'name', 'applied_on', 'checksum')) = 4 THEN
    OPEN rows FOR EXECUTE pg_catalog.format(
      'SELECT version::text, name::text, applied_on::text, checksum::text FROM %s ORDER BY version', history);
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s)', history) INTO filled;
  ELSE
    OPEN rows FOR SELECT NULL::text, NULL::text, NULL::text, NULL::text WHERE false;
  END IF;
  IF NOT filled AND refinery IS DISTINCT FROM history AND pg_catalog.has_table_privilege(refinery, 'SELECT') THEN
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s)', refinery) INTO elsewhere;
  END IF;
  PERFORM pg_catalog.set_config('schemagate.elsewhere', elsewhere::text, true);
END
$schemagate$;
SELECT pg_catalog.current_setting('{nonce_setting}', true),
       pg_catalog.pg_backend_pid(),
       pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_setting('default_transaction_read_only'),
       pg_catalog.current_setting('schemagate.elsewhere'),
       pg_catalog.current_schema(),
       EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = COALESCE({schema}, pg_catalog.current_schema())),
       n.nspname,
       CASE WHEN c.relkind IN ('r', 'p') THEN c.relpersistence ELSE c.relkind END,
       (SELECT pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, NULL), ', '
                                     ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
       CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_insert_lsn() END,
       pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"'),
       pg_catalog.current_setting('server_encoding'),
       CASE WHEN t.relkind = 'r' THEN t.relpersistence ELSE t.relkind END,
       (SELECT pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, NULL), ', '
                                     ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),
       pg_catalog.has_table_privilege(t.oid, 'SELECT'),
       pg_catalog.has_table_privilege(t.oid, 'INSERT'),
       COALESCE(pg_catalog.has_schema_privilege(s.oid, 'CREATE'),
                pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'))
FROM (SELECT pg_catalog.to_regclass({history}) AS oid) AS wanted
LEFT JOIN pg_catalog.pg_class c ON c.oid = wanted.oid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_namespace s ON s.nspname = COALESCE(n.nspname, {schema}, pg_catalog.current_schema())
LEFT JOIN pg_catalog.pg_class t ON t.relnamespace = s.oid AND t.relname = {runs};
FETCH ALL FROM schemagate_history
