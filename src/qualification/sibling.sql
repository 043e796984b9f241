-- The encoding and locale of a database, as CREATE DATABASE takes them. Columns that not every version has are read as JSON.
SELECT pg_catalog.concat_ws(' ',
         'ENCODING ' || pg_catalog.quote_literal(pg_catalog.pg_encoding_to_char(d.encoding)),
         'LC_COLLATE ' || pg_catalog.quote_literal(d.datcollate),
         'LC_CTYPE ' || pg_catalog.quote_literal(d.datctype),
         CASE j.facts ->> 'datlocprovider'
           WHEN 'i' THEN 'LOCALE_PROVIDER icu ICU_LOCALE '
             || pg_catalog.quote_literal(COALESCE(j.facts ->> 'datlocale', j.facts ->> 'daticulocale'))
           WHEN 'b' THEN 'LOCALE_PROVIDER builtin BUILTIN_LOCALE ' || pg_catalog.quote_literal(j.facts ->> 'datlocale')
           WHEN 'c' THEN 'LOCALE_PROVIDER libc'
         END)
FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d) AS facts) j
WHERE d.datname = {name}
