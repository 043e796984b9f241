-- One look at the locks, whose list the server makes anew for each. First the transaction, the log of changes, and what changed in
-- relations that are new; then each relation that was there, of the system's own only those that keep somebody waiting. All in
-- ASCII, whatever a file has set.
WITH held AS MATERIALIZED (
  SELECT l.relation, l.mode
  FROM pg_catalog.pg_locks l
  WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted
    AND l.mode OPERATOR(pg_catalog.<>) 'SIReadLock'
    AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
                                           WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
)
SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0'::pg_catalog.pg_lsn)::pg_catalog.text,
       NULL::pg_catalog.oid,
       pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid)),
       pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)),
       pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid))
FROM held h JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.relation
WHERE h.mode OPERATOR(pg_catalog.=) 'RowExclusiveLock' AND h.relation OPERATOR(pg_catalog.>) {newest}::pg_catalog.oid
  AND c.relkind OPERATOR(pg_catalog.=) 'r'
UNION ALL
SELECT k.relation::pg_catalog.text, k.modes, c.relfilenode,
       pg_catalog.pg_stat_get_xact_tuples_inserted(k.relation),
       pg_catalog.pg_stat_get_xact_tuples_updated(k.relation),
       pg_catalog.pg_stat_get_xact_tuples_deleted(k.relation)
FROM (SELECT h.relation, pg_catalog.string_agg(DISTINCT h.mode, ',') AS modes
      FROM held h
      WHERE h.relation OPERATOR(pg_catalog.<=) {newest}::pg_catalog.oid
        AND (h.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
             OR h.mode OPERATOR(pg_catalog.=)
                ANY ('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'))
      GROUP BY h.relation) AS k
LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) k.relation
