-- SQLite has no roles and no row-level security: one process opens the file. What PostgreSQL enforces here, a test holds every
-- statement of the scoped stores to: each names the scope that it is for. The number is kept so that both engines count alike.
SELECT 1;
