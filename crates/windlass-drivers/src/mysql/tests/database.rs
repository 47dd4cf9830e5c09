//! `ALTER DATABASE`.

use super::*;

fn defaults(release: &Release) -> String {
    release.rows("SELECT @@character_set_database, @@collation_database")
}

#[test]
fn the_defaults_of_a_database_change_once_and_come_back() {
    for flavor in flavors() {
        let first = "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin";
        let mut release = Release::new(
            flavor,
            "CREATE TABLE t (a VARCHAR(5))",
            &[first, "ALTER SCHEMA x COLLATE ucs2_bin"],
        );
        let before = defaults(&release);
        let name = release.rows("SELECT DATABASE()");
        if let Action::Sql { statement, .. } = &mut release.units[1].action {
            *statement = format!("ALTER SCHEMA `{name}` COLLATE ucs2_bin");
        }
        let cx = release.context(0);
        let survey = release.wait(release.driver.survey(&cx, &release.units[0])).unwrap();
        assert_eq!(survey.problems, [""; 0]);
        let undo = format!("undo: ALTER DATABASE `{name}` CHARACTER SET ");
        assert!(survey.effects.iter().any(|line| line.starts_with(&undo)), "{survey:?}");
        assert_eq!(defaults(&release), before, "a plan changes nothing");
        for (at, after) in [(0, "latin1\tlatin1_bin"), (1, "ucs2\tucs2_bin")] {
            release.capture(at);
            assert_eq!(release.inspect(at, Way::Forward), Found::NotApplied);
            assert!(release.again(at).unwrap().changed);
            assert_eq!(defaults(&release), after, "{flavor:?}");
            assert!(matches!(release.inspect(at, Way::Forward), Found::Applied(_)));
            assert!(!release.again(at).unwrap().changed, "applied before");
        }
        assert_eq!(release.inspect(1, Way::Undo), Found::NotApplied);
        release.roll_back();
        assert_eq!(defaults(&release), before, "{flavor:?}");
        assert!(matches!(release.inspect(0, Way::Undo), Found::Applied(_)));
    }
}

#[test]
fn defaults_that_somebody_changed_are_left() {
    for flavor in flavors() {
        let mut release = Release::new(
            flavor,
            "",
            &["ALTER DATABASE COLLATE latin1_bin", "ALTER DATABASE COLLATE nowhere_ci"],
        );
        release.step(0).unwrap();
        release.rows("ALTER DATABASE COLLATE ucs2_bin");
        let failure = release.undo(0).unwrap_err();
        assert!(failure.message.contains("was changed since"), "{failure:?}");
        assert!(
            failure.hints.iter().any(|hint| hint.contains("what would undo it: ALTER DATABASE")),
            "{failure:?}"
        );
        assert!(matches!(release.inspect(0, Way::Undo), Found::Unknown(_)));
        assert_eq!(defaults(&release), "ucs2\tucs2_bin");
        release.on_conflict = OnConflict::Force;
        release.undo(0).unwrap();
        assert_ne!(defaults(&release), "ucs2\tucs2_bin");
        let failure = release.step(1).unwrap_err();
        assert!(failure.message.contains("nowhere_ci"), "{failure:?}");
    }
}
