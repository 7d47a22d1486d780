-- Every time that somebody's contact was shown whole, or what is held of them left as a file: who did it, of whom, from where. Numbers only,
-- so that nothing here has to be erased itself.
CREATE TABLE personal_data_acts (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    -- Of whom.
    person_id BIGINT NOT NULL REFERENCES users (id),
    -- By whom: perhaps the person themself.
    by_id BIGINT NOT NULL REFERENCES users (id),
    at BIGINT NOT NULL,
    -- 1 seen, 2 exported.
    what BIGINT NOT NULL,
    -- Which kinds of data, by their names with a space between them.
    categories TEXT NOT NULL,
    -- On whose page, and because of which alarm; none when it was not about a device.
    device_id BIGINT REFERENCES devices (id),
    alarm_id BIGINT REFERENCES alarms (id)
);
CREATE INDEX personal_data_acts_by_person ON personal_data_acts (person_id, id);
CREATE INDEX personal_data_acts_by_tenant ON personal_data_acts (tenant_id, id);

-- Rows are only ever appended, but for those that go with their company.
CREATE FUNCTION personal_data_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM tenant_deletions d WHERE d.tenant_id = OLD.tenant_id AND d.stage = 2 AND d.under_way = 1) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the log of personal data is append-only';
END $$;
CREATE TRIGGER personal_data_acts_no_update BEFORE UPDATE ON personal_data_acts
    FOR EACH ROW EXECUTE FUNCTION personal_data_refuse();
CREATE TRIGGER personal_data_acts_no_delete BEFORE DELETE ON personal_data_acts
    FOR EACH ROW EXECUTE FUNCTION personal_data_refuse();
CREATE TRIGGER personal_data_acts_no_truncate BEFORE TRUNCATE ON personal_data_acts
    FOR EACH STATEMENT EXECUTE FUNCTION personal_data_refuse();

CALL davy_guard('personal_data_acts', 'SELECT, INSERT', NULL, NULL, NULL);
