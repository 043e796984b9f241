-- Whether others are made from it, the schema to create in, and how many other sessions are connected to it.
SELECT d.datistemplate OR d.datname = 'postgres',
       pg_catalog.current_schema(),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
        WHERE a.datid = d.oid AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type = 'client backend')
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
