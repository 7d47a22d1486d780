//! All SQL: journal, chunks and one file per aggregate, on SQLite and PostgreSQL
