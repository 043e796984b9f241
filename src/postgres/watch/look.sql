-- What the session {pid} waits for: itself, whoever blocks it, and how far an index build is.
SELECT 'self', a.pid, NULL, NULL, NULL, NULL, a.wait_event_type, a.wait_event,
       l.mode || COALESCE(' on ' || l.relation::pg_catalog.regclass::text, ' (' || l.locktype || ')'),
       -- By name, because PostgreSQL 13 has no such column.
       pg_catalog.to_jsonb(l) ->> 'waitstart',
       pg_catalog.floor(1000 * EXTRACT(EPOCH FROM pg_catalog.clock_timestamp()
         - (pg_catalog.to_jsonb(l) ->> 'waitstart')::timestamptz))::bigint::text
FROM pg_catalog.pg_stat_activity a
LEFT JOIN LATERAL (SELECT * FROM pg_catalog.pg_locks WHERE pid = a.pid AND NOT granted LIMIT 1) l ON true
WHERE a.pid = {pid}
UNION ALL
SELECT 'blocker', a.pid, a.usename::text, a.application_name, pg_catalog.host(a.client_addr), a.state,
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - COALESCE(a.xact_start, a.backend_start))::text,
       NULLIF(pg_catalog.left(pg_catalog.regexp_replace(a.query, '\s+', ' ', 'g'), 200), ''), NULL, NULL, NULL
FROM (SELECT DISTINCT pg_catalog.unnest(pg_catalog.pg_blocking_pids({pid})) AS pid) b
JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
UNION ALL
-- A prepared transaction has no session: 0 stands for it.
SELECT 'prepared', NULL, x.owner::text, NULL, NULL, x.gid, x.prepared::text, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_prepared_xacts x
WHERE 0 = ANY (pg_catalog.pg_blocking_pids({pid})) AND x.database = pg_catalog.current_database()
UNION ALL
SELECT 'progress', p.pid, NULL, NULL, NULL, NULL, p.phase,
       CASE WHEN p.blocks_total > 0 THEN (100 * p.blocks_done / p.blocks_total)::text
            WHEN p.lockers_total > 0 THEN (100 * p.lockers_done / p.lockers_total)::text END, NULL, NULL, NULL
FROM pg_catalog.pg_stat_progress_create_index p WHERE p.pid = {pid}
