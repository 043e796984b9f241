-- What the session {pid} waits for: itself, whoever blocks it, and how far an index build is.
SELECT 'self', a.pid, NULL, NULL, NULL, NULL, a.wait_event_type, a.wait_event,
       (SELECT l.mode || COALESCE(' on ' || l.relation::pg_catalog.regclass::text, ' (' || l.locktype || ')')
        FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND NOT l.granted LIMIT 1)
FROM pg_catalog.pg_stat_activity a WHERE a.pid = {pid}
UNION ALL
SELECT 'blocker', a.pid, a.usename::text, a.application_name, pg_catalog.host(a.client_addr), a.state,
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - COALESCE(a.xact_start, a.backend_start))::text,
       NULLIF(pg_catalog.left(pg_catalog.regexp_replace(a.query, '\s+', ' ', 'g'), 200), ''), NULL
FROM (SELECT DISTINCT pg_catalog.unnest(pg_catalog.pg_blocking_pids({pid})) AS pid) b
JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
UNION ALL
SELECT 'progress', p.pid, NULL, NULL, NULL, NULL, p.phase,
       CASE WHEN p.blocks_total > 0 THEN (100 * p.blocks_done / p.blocks_total)::text
            WHEN p.lockers_total > 0 THEN (100 * p.lockers_done / p.lockers_total)::text END, NULL
FROM pg_catalog.pg_stat_progress_create_index p WHERE p.pid = {pid}
