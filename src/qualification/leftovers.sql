-- Scratch databases that no run holds the lock of, and that nobody is connected to.
SELECT d.datname
FROM pg_catalog.pg_database d
WHERE d.datname LIKE 'schemagate\_qualify\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = {class}
      AND l.objid::int8 = pg_catalog.hashtext(d.datname::text)::int8 & 4294967295)
ORDER BY 1
