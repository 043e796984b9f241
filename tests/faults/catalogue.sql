-- Every object of the database that is not the system's, as lines "kind|name|definition" without anything that differs
-- between two databases of one history: no object identifiers, no statistics, no positions of sequences.
with ours as (
    select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
),
relation as (
    select c.*, format('%I.%I', n.nspname, c.relname) as name from pg_class c join ours n on n.oid = c.relnamespace
)
select 'schema|' || nspname || '|' || coalesce(nspacl::text, '')
from pg_namespace join ours using (oid, nspname)
union all
select format('relation|%s|%s %s %s %s %s %s %s %s', name, relkind, relpersistence, reloptions, relacl, relrowsecurity,
              relreplident, pg_get_userbyid(relowner), obj_description(oid, 'pg_class'))
from relation
union all
select format('column|%s.%I|%s %s %s %s %s %s %s', r.name, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
              a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attnum, col_description(r.oid, a.attnum))
from relation r
join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
where r.relkind <> 'i'
union all
select format('index|%s|%s valid %s ready %s live %s', r.name, pg_get_indexdef(r.oid), i.indisvalid, i.indisready, i.indislive)
from relation r join pg_index i on i.indexrelid = r.oid
union all
select format('constraint|%s %s|%s validated %s deferred %s', coalesce(r.name, c.contypid::regtype::text), c.conname,
              pg_get_constraintdef(c.oid), c.convalidated, c.condeferred)
from pg_constraint c join ours n on n.oid = c.connamespace left join relation r on r.oid = c.conrelid
union all
select format('trigger|%s %s|%s %s', r.name, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled)
from pg_trigger t join relation r on r.oid = t.tgrelid where not t.tgisinternal
union all
select format('view|%s|%s', name, pg_get_viewdef(oid)) from relation where relkind in ('v', 'm')
union all
select format('partition|%s|%s of %s', r.name, pg_get_expr(r.relpartbound, r.oid), i.inhparent::regclass)
from relation r join pg_inherits i on i.inhrelid = r.oid
union all
select format('sequence|%s|%s %s %s %s', r.name, format_type(s.seqtypid, null), s.seqstart, s.seqincrement, s.seqmax)
from relation r join pg_sequence s on s.seqrelid = r.oid
union all
select format('routine|%s|%s %s', p.oid::regprocedure, pg_get_functiondef(p.oid), p.proacl)
from pg_proc p join ours n on n.oid = p.pronamespace where p.prokind in ('f', 'p')
union all
select format('type|%I.%I|%s %s %s', n.nspname, t.typname, t.typtype,
              (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
              format_type(t.typbasetype, t.typtypmod))
from pg_type t join ours n on n.oid = t.typnamespace
union all
select format('policy|%s %s|%s %s', r.name, p.polname, p.polcmd, pg_get_expr(p.polqual, p.polrelid))
from pg_policy p join relation r on r.oid = p.polrelid
union all
select format('statistics|%I.%I|%s', n.nspname, s.stxname, pg_get_statisticsobjdef(s.oid))
from pg_statistic_ext s join ours n on n.oid = s.stxnamespace
union all
select 'extension|' || extname || '|' || extversion from pg_extension
order by 1
