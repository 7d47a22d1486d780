-- Every time that somebody's contact was shown whole, or what is held of them left as a file: who did it, of whom, from where. Numbers only,
-- so that nothing here has to be erased itself.
CREATE TABLE personal_data_acts (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    -- Of whom.
    person_id INTEGER NOT NULL REFERENCES users (id),
    -- By whom: perhaps the person themself.
    by_id INTEGER NOT NULL REFERENCES users (id),
    at INTEGER NOT NULL,
    -- 1 seen, 2 exported.
    what INTEGER NOT NULL,
    -- Which kinds of data, by their names with a space between them.
    categories TEXT NOT NULL,
    -- On whose page, and because of which alarm; none when it was not about a device.
    device_id INTEGER REFERENCES devices (id),
    alarm_id INTEGER REFERENCES alarms (id)
);
CREATE INDEX personal_data_acts_by_person ON personal_data_acts (person_id, id);
CREATE INDEX personal_data_acts_by_tenant ON personal_data_acts (tenant_id, id);

-- Rows are only ever appended, but for those that go with their company.
CREATE TRIGGER personal_data_acts_no_update BEFORE UPDATE ON personal_data_acts
BEGIN
    SELECT RAISE(ABORT, 'the log of personal data is append-only');
END;
CREATE TRIGGER personal_data_acts_no_delete BEFORE DELETE ON personal_data_acts
WHEN NOT EXISTS (SELECT 1 FROM tenant_deletions d WHERE d.tenant_id = OLD.tenant_id AND d.stage = 2 AND d.under_way = 1)
BEGIN
    SELECT RAISE(ABORT, 'the log of personal data is append-only');
END;
-- A row that takes another one's place would be a deletion that nobody is asked about.
CREATE TRIGGER personal_data_acts_no_replace BEFORE INSERT ON personal_data_acts
WHEN EXISTS (SELECT 1 FROM personal_data_acts WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the place in the log of personal data is taken');
END;
