-- The database itself keeps the companies apart, beneath the conditions that every query carries anyway.
--
-- Four roles without a login, one for each kind of scope. A scoped transaction begins with SET LOCAL ROLE and SET LOCAL davy.scope:
-- the company's id, the division's code, the community's id or the premises' id. Without a scope a role sees nothing. The platform's own work (the
-- journal, recovery, what is decided for many companies in one commit) is done by the login that owns the tables.

DO $$
DECLARE name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['davy_company', 'davy_regulator', 'davy_manager', 'davy_resident'] LOOP
        -- Roles belong to the whole cluster: another database of it may have them already, or be making them now.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        IF NOT pg_has_role(CURRENT_USER, name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), name);
    END LOOP;
END $$;

-- The id of the scope; none when there is none, and then nothing equals it.
CREATE FUNCTION davy_scope() RETURNS BIGINT LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('davy.scope', TRUE), '')::BIGINT;

-- Puts a table under guard. A company sees the rows with its id and may do with them what `company` says (as in GRANT). A regulator, a
-- property manager and a resident may read the rows for which `regulator`, `manager` and `resident` hold (as in WHERE); without one they
-- see none.
CREATE PROCEDURE davy_guard(guarded TEXT, company TEXT, regulator TEXT, manager TEXT, resident TEXT) LANGUAGE plpgsql AS $$
DECLARE reader RECORD;
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', guarded);
    EXECUTE format('CREATE POLICY platform ON %I TO CURRENT_USER USING (TRUE)', guarded);
    EXECUTE format('CREATE POLICY company ON %I TO davy_company USING (tenant_id = davy_scope())', guarded);
    EXECUTE format('GRANT %s ON %I TO davy_company', company, guarded);
    FOR reader IN SELECT * FROM (VALUES ('regulator', regulator), ('manager', manager), ('resident', resident)) AS r (name, seen) LOOP
        IF reader.seen IS NOT NULL THEN
            EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO %I USING (%s)', reader.name, guarded, 'davy_' || reader.name, reader.seen);
            EXECUTE format('GRANT SELECT ON %I TO %I', guarded, 'davy_' || reader.name);
        END IF;
    END LOOP;
END $$;

-- Who may see a row that belongs to a device, an alarm or a command may see the device, the alarm or the command.
CREATE PROCEDURE davy_guard_owned(guarded TEXT, company TEXT, owner TEXT, reference TEXT) LANGUAGE plpgsql AS $$
DECLARE seen TEXT := format('EXISTS (SELECT 1 FROM %I o WHERE o.id = %I.%I)', owner, guarded, reference);
BEGIN
    CALL davy_guard(guarded, company, seen, seen, seen);
END $$;

-- Places are nobody's secret.
GRANT SELECT ON divisions TO davy_company, davy_regulator, davy_manager, davy_resident;

CALL davy_guard('premises', 'SELECT, INSERT, UPDATE',
    'division_code IN (WITH RECURSIVE below (code) AS (SELECT code FROM divisions WHERE code = davy_scope()
     UNION ALL SELECT c.code FROM divisions c JOIN below b ON c.parent_code = b.code) SELECT code FROM below)',
    'community_id = davy_scope()',
    'id = davy_scope()');
CALL davy_guard('devices', 'SELECT, INSERT, UPDATE',
    'division_code IN (WITH RECURSIVE below (code) AS (SELECT code FROM divisions WHERE code = davy_scope()
     UNION ALL SELECT c.code FROM divisions c JOIN below b ON c.parent_code = b.code) SELECT code FROM below)',
    'premises_id IN (SELECT p.id FROM premises p WHERE p.community_id = davy_scope())',
    'premises_id = davy_scope()');
-- Sealed keys are not for whoever looks at devices, whatever the scope.
DO $$
DECLARE shown TEXT;
BEGIN
    SELECT string_agg(quote_ident(column_name), ', ') INTO shown FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'devices' AND column_name NOT IN ('key_ciphertext', 'key_nonce');
    REVOKE SELECT ON devices FROM davy_company, davy_regulator, davy_manager, davy_resident;
    EXECUTE format('GRANT SELECT (%s) ON devices TO davy_company, davy_regulator, davy_manager, davy_resident', shown);
END $$;

CALL davy_guard_owned('device_links', 'SELECT, INSERT', 'devices', 'source_id');
CALL davy_guard_owned('chunks', 'SELECT', 'devices', 'device_id');
CALL davy_guard_owned('alarms', 'SELECT', 'devices', 'device_id');
CALL davy_guard_owned('alarm_log', 'SELECT', 'alarms', 'alarm_id');
CALL davy_guard_owned('alarm_words', 'SELECT', 'alarms', 'alarm_id');
CALL davy_guard_owned('commands', 'SELECT', 'devices', 'device_id');
CALL davy_guard_owned('command_log', 'SELECT', 'commands', 'command_id');
CALL davy_guard_owned('decisions', 'SELECT', 'devices', 'device_id');
CALL davy_guard_owned('decision_alarms', 'SELECT', 'alarms', 'alarm_id');
CALL davy_guard_owned('outbox', 'SELECT, UPDATE', 'devices', 'device_id');
CALL davy_guard('journal', 'SELECT', NULL, NULL, NULL);
CALL davy_guard('device_snapshots', 'SELECT', NULL, NULL, NULL);
CALL davy_guard('timers', 'SELECT', NULL, NULL, NULL);
CALL davy_guard('rules', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
CALL davy_guard('rule_settings', 'SELECT, INSERT', NULL, NULL, NULL);
CALL davy_guard('rule_signers', 'SELECT, INSERT, UPDATE, DELETE', NULL, NULL, NULL);
CALL davy_guard('rule_releases', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
CALL davy_guard('rule_acts', 'SELECT, INSERT', NULL, NULL, NULL);
CALL davy_guard('rule_health', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
CALL davy_guard('rule_differences', 'SELECT, INSERT', NULL, NULL, NULL);
CALL davy_guard('back_tests', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
CALL davy_guard('alarm_findings', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
-- Of people a company sees its own, and of them neither passwords nor how they are reached.
CALL davy_guard('users', 'SELECT', NULL, NULL, NULL);
REVOKE SELECT ON users FROM davy_company;
GRANT SELECT (id, tenant_id, name, scope, roles) ON users TO davy_company;
-- What was done: a regulator sees it of the devices that they see.
CALL davy_guard('ledger', 'SELECT, INSERT', 'EXISTS (SELECT 1 FROM devices o WHERE o.id = ledger.device_id)', NULL, NULL);
CALL davy_guard('ledger_checkpoints', 'SELECT', NULL, NULL, NULL);
CALL davy_guard('communities', 'SELECT, INSERT', NULL, 'id = davy_scope()', NULL);
CALL davy_guard('api_tokens', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
CALL davy_guard('invitations', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
CALL davy_guard('approvals', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
CALL davy_guard('notification_folds', 'SELECT, INSERT, UPDATE, DELETE', NULL, NULL, NULL);
CALL davy_guard_owned('notification_decisions', 'SELECT, INSERT', 'alarms', 'alarm_id');
CALL davy_guard_owned('messages', 'SELECT, INSERT, UPDATE', 'devices', 'device_id');
CALL davy_guard('device_imports', 'SELECT, INSERT, UPDATE', NULL, NULL, NULL);
CALL davy_guard('sealed_secrets', 'INSERT', NULL, NULL, NULL);
GRANT SELECT (purpose, owner_id, tenant_id) ON sealed_secrets TO davy_company;
CALL davy_guard('quarantine', 'SELECT, UPDATE', NULL, NULL, NULL);

-- Of the companies each sees itself, and how many premises one of its people may have closed alone.
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON tenants TO CURRENT_USER USING (TRUE);
CREATE POLICY company ON tenants TO davy_company USING (id = davy_scope());
GRANT SELECT (id, name, close_alone), UPDATE (close_alone) ON tenants TO davy_company;
