-- What a gas company's rule said when it moved an alarm: the text that it chose for it, in both languages, and its remarks.
-- Rows are only ever appended.

CREATE TABLE alarm_words (
    alarm_id INTEGER NOT NULL REFERENCES alarms (id),
    decision_id INTEGER NOT NULL REFERENCES decisions (id),
    tenant_id INTEGER NOT NULL,
    -- None when the rule gave no text for this alarm.
    text_zh TEXT,
    text_en TEXT,
    -- Remarks for whoever examines the decision, as a JSON list; never for residents.
    notes TEXT NOT NULL,
    PRIMARY KEY (alarm_id, decision_id)
);
