-- What belongs to the whole server, and a transaction in one database can change: a line each.
SELECT 'role ' || r.rolname || ' ' || r.rolsuper || r.rolcreaterole || r.rolcreatedb || r.rolcanlogin || r.rolbypassrls
FROM pg_catalog.pg_roles r
UNION ALL
SELECT 'membership of ' || m.member::pg_catalog.regrole::text || ' in ' || m.roleid::pg_catalog.regrole::text
FROM pg_catalog.pg_auth_members m
UNION ALL
SELECT 'settings of ' || COALESCE('database ' || d.datname, 'role ' || s.setrole::pg_catalog.regrole::text) || ' '
       || s.setconfig::text
FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE d.datname IS DISTINCT FROM {scratch}
UNION ALL
SELECT 'rights on database ' || d.datname || ' ' || COALESCE(d.datacl::text, '-') || ' limit ' || d.datconnlimit
FROM pg_catalog.pg_database d
WHERE d.datname NOT LIKE 'schemagate\_qualify\_%' AND d.datname <> {scratch} AND d.datacl IS NOT NULL
