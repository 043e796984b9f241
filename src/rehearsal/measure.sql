-- The transaction, the log of changes, and what changed in relations that are new; all in ASCII, whatever a file has set.
SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0'::pg_catalog.pg_lsn),
       n.inserted, n.updated, n.deleted
FROM (SELECT pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid)) AS inserted,
             pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)) AS updated,
             pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)) AS deleted
      FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
      WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.mode OPERATOR(pg_catalog.=) 'RowExclusiveLock'
        AND c.oid OPERATOR(pg_catalog.>) {newest}::pg_catalog.oid
        AND c.relkind OPERATOR(pg_catalog.=) 'r') AS n;
-- The locks on relations that were there; of the system's own only those that keep somebody waiting.
SELECT l.relation, pg_catalog.string_agg(DISTINCT l.mode, ','), c.relfilenode,
       pg_catalog.pg_stat_get_xact_tuples_inserted(l.relation),
       pg_catalog.pg_stat_get_xact_tuples_updated(l.relation),
       pg_catalog.pg_stat_get_xact_tuples_deleted(l.relation)
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation'
  AND l.granted AND l.relation OPERATOR(pg_catalog.<=) {newest}::pg_catalog.oid
  AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
                                         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
  AND (l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
       OR l.mode OPERATOR(pg_catalog.=) ANY ('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'))
GROUP BY l.relation, c.relfilenode
