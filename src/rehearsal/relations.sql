-- Every relation but what is stored out of line: id, name, kind, file, estimated rows (below zero: never counted).
SELECT c.oid,
       CASE WHEN n.nspname ~ '^[a-z_][a-z0-9_]*$' THEN n.nspname ELSE pg_catalog.quote_ident(n.nspname) END
         || '.' ||
       CASE WHEN c.relname ~ '^[a-z_][a-z0-9_]*$' THEN c.relname ELSE pg_catalog.quote_ident(c.relname) END,
       c.relkind,
       c.relfilenode,
       CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname <> 'pg_toast' AND n.nspname !~ '^pg_(toast_)?temp_'
