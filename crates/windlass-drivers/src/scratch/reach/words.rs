//! Words that reach out of a database, by server.

/// Functions and programs of PostgreSQL that act on files, other servers or other sessions.
pub(super) const POSTGRES_WORDS: [&str; 28] = [
    "DBLINK",
    "DBLINK_EXEC",
    "DBLINK_CONNECT",
    "DBLINK_CONNECT_U",
    "DBLINK_SEND_QUERY",
    "DBLINK_OPEN",
    "LO_EXPORT",
    "LO_IMPORT",
    "PG_READ_FILE",
    "PG_READ_BINARY_FILE",
    "PG_FILE_WRITE",
    "PG_FILE_RENAME",
    "PG_FILE_UNLINK",
    "PG_TERMINATE_BACKEND",
    "PG_CANCEL_BACKEND",
    "PG_RELOAD_CONF",
    "PG_ROTATE_LOGFILE",
    "PG_PROMOTE",
    "PG_SWITCH_WAL",
    "PG_CREATE_PHYSICAL_REPLICATION_SLOT",
    "PG_CREATE_LOGICAL_REPLICATION_SLOT",
    "PG_DROP_REPLICATION_SLOT",
    "PG_LOGICAL_EMIT_MESSAGE",
    "HTTP_GET",
    "HTTP_POST",
    "HTTP_PUT",
    "HTTP_DELETE",
    "PG_BACKGROUND_LAUNCH",
];
/// Things of PostgreSQL that belong to the server.
pub(super) const POSTGRES_GLOBAL: [&str; 6] = ["ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "SYSTEM"];
/// Catalogs that all databases of a server share.
pub(super) const POSTGRES_SHARED: [&str; 11] = [
    "PG_DATABASE",
    "PG_AUTHID",
    "PG_AUTH_MEMBERS",
    "PG_DB_ROLE_SETTING",
    "PG_TABLESPACE",
    "PG_SHDEPEND",
    "PG_SHDESCRIPTION",
    "PG_SHSECLABEL",
    "PG_PARAMETER_ACL",
    "PG_SUBSCRIPTION",
    "PG_REPLICATION_ORIGIN",
];
/// Things that lead to other servers.
pub(super) const POSTGRES_REMOTE: [&str; 4] = ["SERVER", "SUBSCRIPTION", "FOREIGN", "PUBLICATION"];

pub(super) const MYSQL_HEADS: [&str; 22] = [
    "GRANT",
    "REVOKE",
    "RESET",
    "FLUSH",
    "PURGE",
    "KILL",
    "INSTALL",
    "UNINSTALL",
    "CHANGE",
    "START",
    "STOP",
    "LOAD",
    "USE",
    "XA",
    "CACHE",
    "CLONE",
    "SHUTDOWN",
    "RESTART",
    "BINLOG",
    "IMPORT",
    "BACKUP",
    "HELP",
];
pub(super) const MYSQL_GLOBAL: [&str; 11] = [
    "USER",
    "ROLE",
    "DATABASE",
    "SCHEMA",
    "SERVER",
    "EVENT",
    "TABLESPACE",
    "LOGFILE",
    "UNDO",
    "INSTANCE",
    "RESOURCE",
];
pub(super) const MYSQL_WORDS: [&str; 9] = [
    "OUTFILE",
    "DUMPFILE",
    "LOAD_FILE",
    "FEDERATED",
    "FEDERATEDX",
    "SPIDER",
    "DIRECTORY",
    "PERSIST",
    "SONAME",
];
/// What begins a statement that changes a thing, which is named behind it.
pub(super) const MYSQL_CHANGES: [&str; 5] = ["CREATE", "ALTER", "DROP", "RENAME", "LOCK"];
/// Words that do not stand in a body for anything else than a change of the server.
pub(super) const MYSQL_INSIDE: [&str; 10] = [
    "GRANT",
    "REVOKE",
    "FLUSH",
    "PURGE",
    "KILL",
    "SHUTDOWN",
    "INSTALL",
    "UNINSTALL",
    "GLOBAL",
    "PERSIST_ONLY",
];
pub(super) const SQLITE_WORDS: [&str; 6] =
    ["ATTACH", "DETACH", "LOAD_EXTENSION", "WRITEFILE", "READFILE", "FTS3_TOKENIZER"];
