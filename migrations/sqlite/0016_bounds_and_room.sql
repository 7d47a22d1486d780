-- The bounds within which a company tries versions, and components that nothing refers to any more.

-- What a company has set itself; where there is no row, the operator's bounds hold.
CREATE TABLE rule_bounds (
    tenant_id INTEGER PRIMARY KEY REFERENCES tenants (id),
    -- Each as name=value, with blanks between them.
    bounds TEXT NOT NULL
);

-- When the bytes of a component were deleted. Its digest, its name and what was done with it stay.
ALTER TABLE rules ADD COLUMN deleted_at INTEGER;
