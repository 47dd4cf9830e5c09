//! Programs that migrate a database, and how each of them takes that back: for the help where nobody else knows a way back. From their own
//! documentation.

use windlass_document::shell::{CommandKind, SimpleCommand, parse};

/// Words that a line has, in this order, and what takes it back.
const WAYS: &[(&[&str], &str)] = &[
    (&["alembic", "upgrade"], "`alembic downgrade REVISION`; `alembic current` says which one it is before"),
    (
        &["flask", "db", "upgrade"],
        "`flask db downgrade REVISION`; `flask db current` says which one it is before",
    ),
    (
        &["manage.py", "migrate"],
        "`manage.py migrate APP NAME` for each app; `manage.py showmigrations` says which are applied before",
    ),
    (&["django-admin", "migrate"], "`django-admin migrate APP NAME` for each app"),
    (&["rails", "db:migrate"], "`rails db:rollback STEP=N`"),
    (&["rake", "db:migrate"], "`rake db:rollback STEP=N`"),
    (&["artisan", "migrate"], "`php artisan migrate:rollback`, which takes back the last batch"),
    (&["knex", "migrate:latest"], "`knex migrate:rollback`, which takes back the last batch"),
    (&["sequelize", "db:migrate"], "`sequelize db:migrate:undo`, once for each migration"),
    (&["sequelize-cli", "db:migrate"], "`sequelize-cli db:migrate:undo`, once for each migration"),
    (&["typeorm", "migration:run"], "`typeorm migration:revert`, once for each migration"),
    (&["prisma", "migrate", "deploy"], "Prisma has no way back: write the SQL of it into the fence"),
    (&["prisma", "db", "push"], "Prisma has no way back: write the SQL of it into the fence"),
    (&["goose", "up"], WINDLASS),
    (&["dbmate", "up"], WINDLASS),
    (&["dbmate", "migrate"], WINDLASS),
    (&["flyway", "migrate"], WINDLASS),
    (&["liquibase", "update"], WINDLASS),
    (&["sqlx", "migrate", "run"], WINDLASS),
    (&["diesel", "migration", "run"], WINDLASS),
    (&["migrate", "up"], WINDLASS),
];

/// What reads the folder itself.
const WINDLASS: &str = "or write `windlass migrate up FOLDER --on TARGET`, which runs the same files statement by statement, each with a way back";

/// How what stands in a line is taken back by its own program.
pub(super) fn way_back(text: &str) -> Option<&'static str> {
    let (script, _) = parse(text);
    let simples = script.commands.iter().flat_map(|command| match &command.kind {
        CommandKind::Simple(simple) => std::slice::from_ref(simple),
        CommandKind::Compound { commands, .. } => commands,
    });
    simples.into_iter().find_map(of)
}

fn of(simple: &SimpleCommand) -> Option<&'static str> {
    let words: Vec<&str> = simple.words.iter().map(|word| name(&word.text)).collect();
    WAYS.iter().find(|(known, _)| follow(&words, known)).map(|(_, way)| *way)
}

/// `../venv/bin/alembic` is `alembic`.
fn name(word: &str) -> &str {
    if word.starts_with('-') { word } else { word.rsplit('/').next().unwrap_or(word) }
}

/// Whether these words stand in a line in this order, whatever stands between.
fn follow(words: &[&str], known: &[&str]) -> bool {
    let mut rest = words.iter();
    known.iter().all(|wanted| rest.any(|word| word == wanted))
}

#[cfg(test)]
mod tests {
    use super::way_back;

    #[test]
    fn programs_are_known_however_they_are_called() {
        for (line, words) in [
            ("alembic upgrade head", "alembic downgrade"),
            ("cd app && ../venv/bin/alembic -c x.ini upgrade head", "alembic downgrade"),
            ("docker compose exec -T api python manage.py migrate --noinput", "manage.py migrate APP"),
            ("npx prisma migrate deploy", "no way back"),
            ("php artisan migrate --force", "migrate:rollback"),
            ("migrate -path db -database $URL up", "windlass migrate up"),
        ] {
            assert!(way_back(line).is_some_and(|way| way.contains(words)), "{line}: {:?}", way_back(line));
        }
        for line in
            ["python manage.py collectstatic", "alembic current", "git pull", "echo 'alembic upgrade'"]
        {
            assert_eq!(way_back(line), None, "{line}");
        }
    }
}
