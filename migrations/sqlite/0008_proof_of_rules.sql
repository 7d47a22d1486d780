-- What a version must still prove, and what its live differences are about.

-- The history in which confirmed leaks were missed begins here; only a back-test over at least as much takes that back.
ALTER TABLE rule_releases ADD COLUMN missed_from INTEGER;

-- 1 an alarm, 2 a valve's close. A condition of 0 is none.
ALTER TABLE rule_differences ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;
-- The device whose reading a close is for.
ALTER TABLE rule_differences ADD COLUMN measured_by INTEGER;
