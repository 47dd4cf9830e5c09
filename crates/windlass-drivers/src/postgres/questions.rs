//! The questions to the catalog. All definitions are read by the same texts as those of one table are.

/// All definitions.
pub(super) fn objects() -> String {
    let others = OTHERS.replace("STRANGERS", STRANGERS);
    format!("{ALL}\n{ACL}\n{LIST}\n{others}\nUNION ALL\n{TABLES}\n{END}")
}

/// Those of tables (`$1`) to which nothing belongs but what a plain `CREATE TABLE` makes: no comments, triggers, rules, policies.
pub(super) fn objects_of_tables() -> String {
    format!("{ONE}\n{ACL}\n{LIST}\n{TABLES}\n{END}")
}

/// What depends on what: letters as in [`objects`], `c` for any relation.
pub(super) fn edges() -> String {
    format!(
        "WITH d AS (SELECT * FROM pg_depend WHERE deptype IN ('n', 'a') AND objid >= 16384 AND refobjid >= 16384){EDGES}"
    )
}

/// What depends on tables (`$1`).
pub(super) fn edges_of_tables() -> String {
    format!(
        "WITH d AS (SELECT * FROM pg_depend WHERE deptype IN ('n', 'a') AND objid >= 16384 AND refclassid = 'pg_class'::regclass AND \
         refobjid = ANY ($1::oid[])){EDGES}"
    )
}

/// What is of the type that a statement names (as a literal), and is not among the definitions.
pub(super) fn strangers(name: &str) -> String {
    format!(
        "WITH {NS} SELECT s FROM (SELECT {STRANGERS} FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.to_regtype({name}) AND t.typtype = 'e') x(s) \
         WHERE s IS NOT NULL"
    )
}

/// How many relations each of the tables `$1` is made of: itself, their indexes, the places for their long values, their sequences.
pub(super) const RELATIONS: &str = r#"
SELECT c.oid, 1 + (SELECT count(*) FROM pg_index WHERE indrelid IN (c.oid, NULLIF(c.reltoastrelid, 0))) + CASE WHEN c.reltoastrelid <> 0 THEN 1 ELSE 0 END
  + (SELECT count(*) FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
     AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
FROM pg_class c WHERE c.oid = ANY ($1::oid[])"#;

const NS: &str = r#"ns AS MATERIALIZED (
  SELECT oid, nspname FROM pg_catalog.pg_namespace
  WHERE nspname !~ '^(pg_|windlass($|_aside))' AND nspname <> 'information_schema'
)"#;

/// What is of the type `t` (or its arrays) and of a kind or in a schema that is not read: it cannot be made again.
const STRANGERS: &str = r#"(SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') FROM pg_catalog.pg_depend d
    LEFT JOIN pg_catalog.pg_class x ON d.classid = 'pg_catalog.pg_class'::regclass AND x.oid = d.objid LEFT JOIN pg_catalog.pg_type y ON d.classid = 'pg_catalog.pg_type'::regclass AND y.oid = d.objid
    WHERE d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray) AND d.deptype IN ('n', 'a') AND CASE WHEN x.oid IS NOT NULL
      THEN x.relkind = 'f' OR x.relnamespace NOT IN (SELECT oid FROM ns) WHEN y.oid IS NOT NULL THEN y.typtype NOT IN ('e', 'd', 'c')
      ELSE d.classid NOT IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_rewrite'::regclass,
        'pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_statistic_ext'::regclass, 'pg_catalog.pg_cast'::regclass) END)"#;

const ALL: &str = r#"
WITH ns AS MATERIALIZED (
  SELECT oid, nspname FROM pg_namespace
  WHERE nspname !~ '^(pg_|windlass($|_aside))' AND nspname <> 'information_schema'
), ext AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
rel AS MATERIALIZED (
  SELECT c.*, ns.nspname FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
  WHERE NOT EXISTS (SELECT FROM ext WHERE ext.classid = 'pg_class'::regclass AND ext.objid = c.oid)
), descr AS MATERIALIZED (SELECT * FROM pg_description WHERE (objoid >= 16384 OR objoid IN (SELECT oid FROM ns)) AND classoid IN ('pg_class'::regclass, 'pg_proc'::regclass,
  'pg_type'::regclass, 'pg_namespace'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass,
  'pg_policy'::regclass, 'pg_extension'::regclass, 'pg_statistic_ext'::regclass, 'pg_cast'::regclass))
, acls AS (
  SELECT 'h' AS k, oid, 0 AS sub, COALESCE(nspacl, acldefault('n', nspowner)) AS acl FROM pg_namespace WHERE oid IN (SELECT oid FROM ns)
  UNION ALL SELECT 'c', oid, 0, COALESCE(relacl, acldefault(CASE WHEN relkind = 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner))
    FROM rel WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  UNION ALL SELECT 'a', attrelid, attnum, attacl FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid IN (SELECT oid FROM rel)
  UNION ALL SELECT 'f', oid, 0, COALESCE(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ns)
  UNION ALL SELECT 't', oid, 0, COALESCE(typacl, acldefault('T', typowner)) FROM pg_type WHERE typnamespace IN (SELECT oid FROM ns) AND typtype IN ('e', 'd', 'c')
  UNION ALL SELECT 'D', oid, 0, COALESCE(datacl, acldefault('d', datdba)) FROM pg_database WHERE datname = current_database()
"#;

const ONE: &str = r#"
WITH ns AS MATERIALIZED (
  SELECT oid, nspname FROM pg_namespace
  WHERE nspname !~ '^(pg_|windlass($|_aside))' AND nspname <> 'information_schema'
), rel AS MATERIALIZED (
  SELECT c.*, ns.nspname FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
  WHERE c.oid = ANY (ARRAY(SELECT unnest($1::oid[]) UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = ANY ($1::oid[])
    UNION ALL SELECT objid FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = ANY ($1::oid[]) AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')))
), descr AS MATERIALIZED (SELECT * FROM pg_description WHERE false)
, acls AS (
  SELECT 'c' AS k, oid, 0 AS sub, COALESCE(relacl, acldefault(CASE WHEN relkind = 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner)) AS acl
    FROM rel WHERE relkind IN ('r', 'p', 'S')"#;

const ACL: &str = r#"), acl AS MATERIALIZED (
  SELECT k, oid, sub, string_agg(g, E'\n' ORDER BY g) AS acl FROM (
    SELECT k, oid, sub, concat(CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, '=',
      x.privilege_type, CASE WHEN x.is_grantable THEN '*' END) AS g FROM acls, aclexplode(acls.acl) x) y GROUP BY 1, 2, 3
)"#;

const LIST: &str = "SELECT k, oid, sub, parent, nsp, schema, name, jsonb_strip_nulls(f)::text FROM (";

const END: &str = ") all_objects(k, oid, sub, parent, nsp, schema, name, f)";

/// Schemas, extensions, types, functions, …
const OTHERS: &str = r#"SELECT 'h' AS k, n.oid, 0 AS sub, 0::oid AS parent, n.oid AS nsp, '' AS schema, n.nspname::text AS name, jsonb_build_object(
  'owner', pg_get_userbyid(n.nspowner), 'acl', (SELECT acl FROM acl WHERE acl.k = 'h' AND acl.oid = n.oid),
  'comment', (SELECT description FROM descr d WHERE d.objoid = n.oid AND d.classoid = 'pg_namespace'::regclass)) AS f
FROM pg_namespace n WHERE n.oid IN (SELECT oid FROM ns)
  AND NOT EXISTS (SELECT FROM ext WHERE ext.classid = 'pg_namespace'::regclass AND ext.objid = n.oid)
UNION ALL
SELECT 'x', e.oid, 0, 0, e.extnamespace, '', e.extname, jsonb_build_object('schema', n.nspname, 'version', e.extversion,
  'comment', (SELECT description FROM descr d WHERE d.objoid = e.oid AND d.classoid = 'pg_extension'::regclass))
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.oid >= 16384
UNION ALL
SELECT CASE t.typtype WHEN 'e' THEN 'e' WHEN 'd' THEN 'd' ELSE 'o' END, t.oid, 0, 0, ns.oid, ns.nspname, t.typname, jsonb_build_object(
  'owner', pg_get_userbyid(t.typowner), 'acl', (SELECT acl FROM acl WHERE acl.k = 't' AND acl.oid = t.oid),
  'comment', (SELECT description FROM descr d WHERE d.objoid = t.oid AND d.classoid = 'pg_type'::regclass),
  'labels', (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
  '#strangers', CASE WHEN t.typtype IN ('e', 'd', 'c') THEN STRANGERS END,
  '#labels', (SELECT string_agg(oid::text, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
  'type', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
  'default', CASE WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 'pg_type'::regclass) END,
  'notnull', CASE WHEN t.typnotnull THEN 'true' END,
  'collation', (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
    JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd' AND co.oid = t.typcollation AND t.typcollation <> b.typcollation),
  'attributes', CASE WHEN t.typtype = 'c' THEN (SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) || COALESCE((
    SELECT ' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
    JOIN pg_type b ON b.oid = a.atttypid WHERE co.oid = a.attcollation AND co.oid <> b.typcollation), ''), ', ' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END,
  'column comments', CASE WHEN t.typtype = 'c' THEN (SELECT jsonb_object_agg(a.attname, d.description)::text FROM descr d JOIN pg_attribute a
    ON a.attrelid = t.typrelid AND a.attnum = d.objsubid WHERE d.objoid = t.typrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0) END)
FROM pg_type t JOIN ns ON ns.oid = t.typnamespace LEFT JOIN pg_class tc ON tc.oid = t.typrelid
WHERE (t.typtype IN ('e', 'd') OR t.typtype = 'c' AND tc.relkind = 'c')
  AND NOT EXISTS (SELECT FROM ext WHERE ext.classid = 'pg_type'::regclass AND ext.objid = t.oid)
UNION ALL
SELECT 'f', p.oid, 0, 0, p.pronamespace, ns.nspname, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', jsonb_build_object(
  'base', p.proname, 'kind', p.prokind::text, 'arguments', CASE WHEN p.prokind = 'a' AND p.pronargs = 0 THEN '*' ELSE pg_get_function_identity_arguments(p.oid) END, 'owner', pg_get_userbyid(p.proowner),
  'acl', (SELECT acl FROM acl WHERE acl.k = 'f' AND acl.oid = p.oid),
  'comment', (SELECT description FROM descr d WHERE d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass),
  'returns', pg_get_function_result(p.oid) || ' ' || pg_get_function_arguments(p.oid),
  'definition', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE (SELECT format('CREATE AGGREGATE %s.%s(%s) (%s)',
    quote_ident(ns.nspname), quote_ident(p.proname), CASE WHEN p.pronargs = 0 THEN '*' ELSE pg_get_function_identity_arguments(p.oid) END, concat_ws(', ',
    'SFUNC = ' || aggtransfn::regproc, 'STYPE = ' || format_type(aggtranstype, NULL), 'SSPACE = ' || NULLIF(aggtransspace, 0),
    CASE WHEN aggfinalfn <> 0 THEN concat('FINALFUNC = ', aggfinalfn::regproc, CASE WHEN aggfinalextra THEN ', FINALFUNC_EXTRA' END, ', FINALFUNC_MODIFY = ',
      CASE aggfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END) END,
    CASE WHEN aggcombinefn <> 0 THEN 'COMBINEFUNC = ' || aggcombinefn::regproc END, CASE WHEN aggserialfn <> 0 THEN 'SERIALFUNC = ' || aggserialfn::regproc END,
    CASE WHEN aggdeserialfn <> 0 THEN 'DESERIALFUNC = ' || aggdeserialfn::regproc END, 'INITCOND = ' || quote_literal(agginitval),
    CASE WHEN aggmtransfn <> 0 THEN concat('MSFUNC = ', aggmtransfn::regproc, ', MINVFUNC = ', aggminvtransfn::regproc, ', MSTYPE = ', format_type(aggmtranstype, NULL),
      ', MSSPACE = ' || NULLIF(aggmtransspace, 0), ', MINITCOND = ' || quote_literal(aggminitval)) END,
    CASE WHEN aggmfinalfn <> 0 THEN concat('MFINALFUNC = ', aggmfinalfn::regproc, CASE WHEN aggmfinalextra THEN ', MFINALFUNC_EXTRA' END, ', MFINALFUNC_MODIFY = ',
      CASE aggmfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END) END,
    CASE WHEN aggsortop <> 0 THEN concat('SORTOP = OPERATOR(', aggsortop::regoper, ')') END,
    'PARALLEL = ' || CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' END, CASE WHEN aggkind = 'h' THEN 'HYPOTHETICAL' END))
    FROM pg_aggregate WHERE aggfnoid = p.oid) END)
FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace WHERE NOT EXISTS (SELECT FROM ext WHERE ext.classid = 'pg_proc'::regclass AND ext.objid = p.oid)
UNION ALL
SELECT 'k', k.oid, 0, 0, 0, '', format('(%s AS %s)', castsource::regtype, casttarget::regtype), jsonb_build_object('definition', concat(
  format('CREATE CAST (%s AS %s) ', castsource::regtype, casttarget::regtype), CASE castmethod WHEN 'f' THEN 'WITH FUNCTION ' || castfunc::regprocedure WHEN 'i' THEN 'WITH INOUT'
  ELSE 'WITHOUT FUNCTION' END, CASE castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' END),
  'comment', (SELECT description FROM descr d WHERE d.objoid = k.oid AND d.classoid = 'pg_cast'::regclass))
FROM pg_cast k WHERE k.oid >= 16384 AND NOT EXISTS (SELECT FROM ext WHERE ext.classid = 'pg_cast'::regclass AND ext.objid = k.oid)
UNION ALL
SELECT 'n', k.oid, 0, k.contypid, t.typnamespace, ns.nspname, k.conname, jsonb_build_object('type', 'd', 'definition', pg_get_constraintdef(k.oid),
  'comment', (SELECT description FROM descr d WHERE d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass))
FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN ns ON ns.oid = t.typnamespace WHERE k.contype = 'c'
  AND NOT EXISTS (SELECT FROM ext WHERE ext.classid = 'pg_type'::regclass AND ext.objid = t.oid)
UNION ALL
SELECT 's', s.oid, 0, 0, s.stxnamespace, ns.nspname, s.stxname, jsonb_build_object('definition', pg_get_statisticsobjdef(s.oid), 'owner', pg_get_userbyid(s.stxowner),
  'comment', (SELECT description FROM descr d WHERE d.objoid = s.oid AND d.classoid = 'pg_statistic_ext'::regclass))
FROM pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace
UNION ALL
SELECT 'g', t.oid, 0, t.tgrelid, c.relnamespace, c.nspname, t.tgname, jsonb_build_object('definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled::text,
  'comment', (SELECT description FROM descr d WHERE d.objoid = t.oid AND d.classoid = 'pg_trigger'::regclass))
FROM pg_trigger t JOIN rel c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname !~ '^zzz_windlass_'
UNION ALL
SELECT 'w', w.oid, 0, w.ev_class, c.relnamespace, c.nspname, w.rulename, jsonb_build_object('definition', pg_get_ruledef(w.oid), 'enabled', w.ev_enabled::text,
  'comment', (SELECT description FROM descr d WHERE d.objoid = w.oid AND d.classoid = 'pg_rewrite'::regclass))
FROM pg_rewrite w JOIN rel c ON c.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'y', p.oid, 0, p.polrelid, c.relnamespace, c.nspname, p.polname, jsonb_build_object(
  'definition', format(' AS %s FOR %s TO %s%s%s', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
    (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) r),
    ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
  'comment', (SELECT description FROM descr d WHERE d.objoid = p.oid AND d.classoid = 'pg_policy'::regclass))
FROM pg_policy p JOIN rel c ON c.oid = p.polrelid
UNION ALL
SELECT 'R', r.oid, 0, 0, 0, '', r.rolname, jsonb_build_object('attributes', concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
  CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
  CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
  'CONNECTION LIMIT ' || rolconnlimit, 'VALID UNTIL ' || quote_literal(COALESCE(rolvaliduntil::text, 'infinity'))),
  'member of', (SELECT string_agg(quote_ident(g.rolname) || CASE WHEN to_jsonb(m) ? 'inherit_option' THEN upper(format(' WITH ADMIN %s, INHERIT %s, SET %s',
    m.admin_option::text, to_jsonb(m) ->> 'inherit_option', to_jsonb(m) ->> 'set_option')) WHEN m.admin_option THEN ' WITH ADMIN OPTION' ELSE '' END,
    E'\n' ORDER BY g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid))
FROM pg_roles r WHERE r.oid >= 16384
UNION ALL
SELECT 'b', d.oid, 0, 0, 0, '', d.datname, jsonb_build_object('owner', pg_get_userbyid(d.datdba), 'acl', (SELECT acl FROM acl WHERE acl.k = 'D' AND acl.oid = d.oid))
FROM pg_database d WHERE d.datname = current_database()
UNION ALL
SELECT 'p', a.oid, 0, 0, 0, '', concat_ws(' ', quote_ident(pg_get_userbyid(a.defaclrole)), a.defaclobjtype, quote_ident(n.nspname)), jsonb_build_object(
  '#owner', quote_ident(pg_get_userbyid(a.defaclrole)), 'for', 'FOR ROLE ' || quote_ident(pg_get_userbyid(a.defaclrole)) || CASE WHEN n.nspname IS NOT NULL THEN ' IN SCHEMA ' || quote_ident(n.nspname) ELSE '' END,
  'on', CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END,
  'acl', (SELECT string_agg(concat(CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, '=', x.privilege_type,
    CASE WHEN x.is_grantable THEN '*' END), E'\n' ORDER BY x.grantee, x.privilege_type) FROM aclexplode(a.defaclacl) x))
FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace"#;

/// Relations, columns, constraints, indexes. PostgreSQL 15.20 writes a number of its own into the options of a column, `pg_attver`, which is
/// another one whenever the column is made: that is no definition.
const TABLES: &str = r#"SELECT 'S', c.oid, 0, 0, c.relnamespace, c.nspname, c.relname, jsonb_build_object('owner', pg_get_userbyid(c.relowner),
  'acl', (SELECT acl FROM acl WHERE acl.k = 'c' AND acl.oid = c.oid), 'persistence', c.relpersistence::text,
  'comment', (SELECT description FROM descr d WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND objsubid = 0),
  'type', format_type(s.seqtypid, NULL),
  'options', format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', seqincrement, seqmin, seqmax, seqstart, seqcache, CASE WHEN seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END),
  '#last', pg_sequence_last_value(c.oid)::text,
  'owned', (SELECT quote_ident(o.nspname) || '.' || quote_ident(o.relname) || '.' || quote_ident(a.attname) FROM pg_depend d JOIN rel o ON o.oid = d.refobjid
    JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'))
FROM rel c JOIN pg_sequence s ON s.seqrelid = c.oid
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i')
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'v' WHEN 'm' THEN 'm' ELSE 'r' END, c.oid, 0, 0, c.relnamespace, c.nspname, c.relname, jsonb_build_object(
  'owner', pg_get_userbyid(c.relowner), 'acl', (SELECT acl FROM acl WHERE acl.k = 'c' AND acl.oid = c.oid AND acl.sub = 0),
  'comment', (SELECT description FROM descr d WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND objsubid = 0),
  'persistence', c.relpersistence::text, 'options', NULLIF(concat_ws(', ', array_to_string(c.reloptions, ', '),
    (SELECT string_agg('toast.' || o, ', ' ORDER BY o) FROM pg_class l, unnest(l.reloptions) o WHERE l.oid = c.reltoastrelid AND l.reloptions IS NOT NULL)), ''), 'kind', c.relkind::text,
  'partition by', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
  'bound', CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
  'parents', (SELECT string_agg(quote_ident(pn.nspname) || '.' || quote_ident(p.relname), ', ' ORDER BY i.inhseqno) FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid),
  'rls', CASE WHEN c.relrowsecurity THEN 'true' END, 'force rls', CASE WHEN c.relforcerowsecurity THEN 'true' END,
  'identity', CASE WHEN c.relreplident <> 'd' AND c.relkind = 'r' THEN c.relreplident::text END,
  'query', CASE WHEN c.relkind IN ('v', 'm') THEN rtrim(pg_get_viewdef(c.oid), ';') END,
  'empty', CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'true' END,
  'key triggers', CASE WHEN c.relhastriggers THEN (SELECT string_agg(concat(COALESCE(k.conrelid::regclass || ' ' || k.conname || ' ' || t.tgfoid::regproc, t.tgname), '=', t.tgenabled), E'\n'
    ORDER BY k.conrelid::regclass::text, k.conname, t.tgfoid, t.tgname) FROM pg_trigger t LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
    WHERE t.tgrelid = c.oid AND (t.tgisinternal OR t.tgparentid <> 0) AND t.tgname !~ '^zzz_windlass_' AND t.tgenabled <> 'O') END,
  'column comments', CASE WHEN c.relkind IN ('v', 'm') THEN (SELECT jsonb_object_agg(a.attname, d.description)::text FROM descr d JOIN pg_attribute a
    ON a.attrelid = c.oid AND a.attnum = d.objsubid WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0) END,
  '#file', pg_relation_filenode(c.oid)::text, '#pages', c.relpages::text)
FROM rel c WHERE c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT 'a', c.oid, a.attnum, c.oid, c.relnamespace, c.nspname, a.attname, jsonb_build_object(
  '#position', (row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum))::text, '#type', a.atttypid || '/' || a.atttypmod, 'type', format_type(a.atttypid, a.atttypmod),
  'collation', (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
    WHERE co.oid = a.attcollation AND a.attcollation <> ty.typcollation),
  'notnull', CASE WHEN a.attnotnull THEN 'true' END, 'identity', NULLIF(a.attidentity::text, ''),
  'identity options', CASE WHEN a.attidentity <> '' THEN (SELECT format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', seqincrement, seqmin, seqmax, seqstart, seqcache, CASE WHEN seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END)
    FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'::regclass AND d.deptype = 'i') END,
  '#last', CASE WHEN a.attidentity <> '' THEN (SELECT pg_sequence_last_value(d.objid)::text
    FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'::regclass AND d.deptype = 'i') END,
  'generated', CASE WHEN a.attgenerated <> '' THEN (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = c.oid AND adnum = a.attnum) END,
  'generated kind', NULLIF(a.attgenerated::text, ''),
  'storage', CASE WHEN a.attstorage <> ty.typstorage THEN a.attstorage::text END,
  'compression', NULLIF(to_jsonb(a)->>'attcompression', ''),
  'statistics', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::text END,
  'acl', (SELECT acl FROM acl WHERE acl.k = 'a' AND acl.oid = c.oid AND acl.sub = a.attnum),
  'comment', (SELECT description FROM descr d WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND objsubid = a.attnum),
  'options', (SELECT string_agg(o, ', ' ORDER BY ord) FROM unnest(a.attoptions) WITH ORDINALITY u(o, ord) WHERE o !~ '^pg_attver='),
  '#inherits', CASE WHEN a.attinhcount > 0 THEN 'true' END, '#key', CASE WHEN c.relkind = 'p' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.objsubid = a.attnum AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = 0 AND d.deptype = 'i') THEN 'true' END,
  'inherited', CASE WHEN a.attinhcount > 0 AND NOT a.attislocal THEN 'true' END)
FROM rel c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type ty ON ty.oid = a.atttypid WHERE c.relkind IN ('r', 'p')
UNION ALL
SELECT 'D', a.adrelid, a.adnum, a.adrelid, c.relnamespace, c.nspname, t.attname, jsonb_build_object('expression', pg_get_expr(a.adbin, a.adrelid))
FROM pg_attrdef a JOIN rel c ON c.oid = a.adrelid AND c.relkind IN ('r', 'p', 'v') JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum = a.adnum WHERE t.attgenerated = ''
UNION ALL
SELECT 'n', k.oid, 0, k.conrelid, c.relnamespace, c.nspname, k.conname, jsonb_build_object('type', k.contype::text, 'definition', pg_get_constraintdef(k.oid),
  'comment', (SELECT description FROM descr d WHERE d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass), '#index', NULLIF(k.conindid, 0)::text,
  'clustered', CASE WHEN i.indisclustered THEN 'true' END, 'identity', CASE WHEN i.indisreplident THEN 'true' END)
FROM pg_constraint k JOIN rel c ON c.oid = k.conrelid LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x') WHERE k.conparentid = 0 AND k.contype NOT IN ('n', 't') AND (k.coninhcount = 0 OR k.conislocal)
UNION ALL
SELECT 'i', i.indexrelid, 0, i.indrelid, c.relnamespace, c.nspname, c.relname, jsonb_build_object('definition', pg_get_indexdef(i.indexrelid),
  'invalid', CASE WHEN NOT i.indisvalid THEN 'true' END, 'clustered', CASE WHEN i.indisclustered THEN 'true' END, 'identity', CASE WHEN i.indisreplident THEN 'true' END,
  'options', array_to_string(c.reloptions, ', '), 'comment', (SELECT description FROM descr d WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass))
FROM pg_index i JOIN rel c ON c.oid = i.indexrelid WHERE NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))"#;

const EDGES: &str = r#", m AS (
  SELECT CASE classid WHEN 'pg_class'::regclass THEN 'c' WHEN 'pg_proc'::regclass THEN 'f' WHEN 'pg_type'::regclass THEN 't' WHEN 'pg_constraint'::regclass THEN 'n'
    WHEN 'pg_attrdef'::regclass THEN 'D' WHEN 'pg_rewrite'::regclass THEN 'w' WHEN 'pg_trigger'::regclass THEN 'g' WHEN 'pg_policy'::regclass THEN 'y'
    WHEN 'pg_statistic_ext'::regclass THEN 's' WHEN 'pg_extension'::regclass THEN 'x' WHEN 'pg_namespace'::regclass THEN 'h' WHEN 'pg_cast'::regclass THEN 'k' END AS k1, objid, objsubid,
  CASE refclassid WHEN 'pg_class'::regclass THEN 'c' WHEN 'pg_proc'::regclass THEN 'f' WHEN 'pg_type'::regclass THEN 't' WHEN 'pg_constraint'::regclass THEN 'n'
    WHEN 'pg_attrdef'::regclass THEN 'D' WHEN 'pg_rewrite'::regclass THEN 'w' WHEN 'pg_trigger'::regclass THEN 'g' WHEN 'pg_policy'::regclass THEN 'y'
    WHEN 'pg_statistic_ext'::regclass THEN 's' WHEN 'pg_extension'::regclass THEN 'x' WHEN 'pg_namespace'::regclass THEN 'h' WHEN 'pg_cast'::regclass THEN 'k' END AS k2, refobjid, refobjsubid FROM d
)
SELECT CASE WHEN w1.rulename = '_RETURN' OR g1.attgenerated <> '' THEN 'c' WHEN o1.oid IS NOT NULL THEN 't' ELSE k1 END,
  COALESCE(a1.adrelid, CASE WHEN w1.rulename = '_RETURN' THEN w1.ev_class END, o1.reltype, objid), CASE WHEN o1.oid IS NOT NULL THEN 0 ELSE COALESCE(a1.adnum, objsubid) END,
  CASE WHEN t2.typrelid <> 0 AND c2.relkind <> 'c' THEN 'c' WHEN o2.oid IS NOT NULL THEN 't' ELSE k2 END,
  COALESCE(a2.adrelid, o2.reltype, CASE WHEN t2.typrelid <> 0 AND c2.relkind <> 'c' THEN t2.typrelid END, NULLIF(t2.typelem, 0), refobjid), COALESCE(a2.adnum, refobjsubid)
FROM m LEFT JOIN pg_rewrite w1 ON k1 = 'w' AND w1.oid = objid LEFT JOIN pg_attrdef a1 ON k1 = 'D' AND a1.oid = objid
LEFT JOIN pg_attribute g1 ON g1.attrelid = a1.adrelid AND g1.attnum = a1.adnum LEFT JOIN pg_class o1 ON k1 = 'c' AND o1.oid = objid AND o1.relkind = 'c'
LEFT JOIN pg_class o2 ON k2 = 'c' AND o2.oid = refobjid AND o2.relkind = 'c' LEFT JOIN pg_attrdef a2 ON k2 = 'D' AND a2.oid = refobjid LEFT JOIN pg_type t2 ON k2 = 't' AND t2.oid = refobjid LEFT JOIN pg_class c2 ON c2.oid = t2.typrelid
WHERE k1 IS NOT NULL AND k2 IS NOT NULL"#;
