use super::*;

fn object(kind: ObjectKind, name: &str, table: &str, sql: &str, root: i64, columns: &[&str]) -> Object {
    Object {
        kind,
        name: name.into(),
        table: table.into(),
        sql: Some(sql.into()),
        root,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    }
}

fn table(name: &str, root: i64, columns: &[&str]) -> Object {
    let sql = format!("CREATE TABLE {name} ({})", columns.join(", "));
    object(ObjectKind::Table, name, name, &sql, root, columns)
}

fn catalog(objects: &[Object]) -> Catalog {
    Catalog { objects: objects.to_vec() }
}

fn shown(before: &Catalog, after: &Catalog) -> Vec<String> {
    inverse(before, after).unwrap().iter().filter_map(Back::sql).collect()
}

#[test]
fn each_kind_of_change_has_its_way_back() {
    let t = table("t", 2, &["a", "b"]);
    let index = object(ObjectKind::Index, "i", "t", "CREATE INDEX i ON t (a)", 3, &[]);
    let view = object(ObjectKind::View, "v", "v", "CREATE VIEW v AS SELECT 1", 0, &[]);
    let with = |name: &str, root, columns: &[&str]| catalog(&[table(name, root, columns), index.clone()]);
    let before = catalog(&[t.clone(), index.clone()]);
    let cases: [(Catalog, &str); 7] = [
        (catalog(std::slice::from_ref(&t)), "CREATE INDEX i ON t (a)"),
        (catalog(&[t.clone(), index.clone(), view]), "DROP VIEW \"v\""),
        (
            catalog(&[t.clone(), index.clone(), table("u", 4, &["x"])]),
            "DROP TABLE \"u\" -- set aside instead if it has rows by then",
        ),
        (with("t", 2, &["a", "c"]), "ALTER TABLE \"t\" RENAME COLUMN \"c\" TO \"b\""),
        (
            with("t", 2, &["a", "b", "c"]),
            "ALTER TABLE \"t\" DROP COLUMN \"c\" -- values written since are set aside",
        ),
        (with("t", 2, &["b"]), "-- \"t\" is built anew with column \"a\", whose values were set aside"),
        (catalog(&[]), "-- \"t\" comes back from where it was set aside, with 1 indexes and triggers"),
    ];
    for (after, back) in cases {
        assert_eq!(shown(&before, &after), [back]);
        assert!(!before.differences(&after).is_empty());
    }
    assert_eq!(shown(&before, &before), [""; 0]);
    assert!(inverse(&before, &with("t", 2, &["x", "y"])).is_err());
}

#[test]
fn a_renamed_table_is_known_by_its_page_and_texts_come_back_to_the_letter() {
    let before = catalog(&[table("old", 2, &["a"]), table("other", 3, &["x"])]);
    let after = catalog(&[table("new", 2, &["a"]), table("other", 3, &["x"])]);
    let steps = inverse(&before, &after).unwrap();
    assert_eq!(steps[0], Back::RenameTable { from: "new".into(), to: "old".into() });
    let Back::Text { before, name, .. } = &steps[1] else { panic!("{steps:?}") };
    assert_eq!((before.as_str(), name.as_str()), ("CREATE TABLE old (a)", "old"));
    assert_eq!(steps.len(), 2);
}

#[test]
fn a_dropped_module_takes_its_tables_along_and_no_others() {
    let part = |kind, name: &str| object(kind, name, name, "CREATE", 5, &[]);
    let all = catalog(&[
        part(ObjectKind::Virtual, "f"),
        part(ObjectKind::Shadow, "f_data"),
        part(ObjectKind::Table, "f_mine"),
        part(ObjectKind::Shadow, "g_data"),
    ]);
    let names: Vec<_> = all.without_table("f").objects.into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["f_mine", "g_data"]);
}
