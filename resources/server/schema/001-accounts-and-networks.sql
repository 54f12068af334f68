-- Accounts, networks, their members, and what owners said about members.
-- Times are whole seconds since 1970. An address and a network number are 32-bit numbers.

CREATE TABLE accounts (
    address INTEGER PRIMARY KEY,
    public_key BLOB NOT NULL UNIQUE,          -- OpenSSH wire form of the RSA key
    fingerprint BLOB NOT NULL,                -- SHA-256 of public_key
    nickname TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
) STRICT;

CREATE TABLE networks (
    network INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,            -- the name without regard to case and width
    owner INTEGER NOT NULL REFERENCES accounts (address),
    salt BLOB,                                -- all three or none: the network has a password
    token_hash BLOB,
    wrapped_secret BLOB,
    locked INTEGER NOT NULL DEFAULT 0,
    approval INTEGER NOT NULL DEFAULT 0,
    member_limit INTEGER NOT NULL DEFAULT 0,  -- 0: the server's limit
    created_at INTEGER NOT NULL,
    CHECK ((salt IS NULL) = (token_hash IS NULL) AND (salt IS NULL) = (wrapped_secret IS NULL))
) STRICT;

CREATE TABLE members (
    network INTEGER NOT NULL REFERENCES networks (network) ON DELETE CASCADE,
    address INTEGER NOT NULL REFERENCES accounts (address) ON DELETE CASCADE,
    status INTEGER NOT NULL CHECK (status IN (1, 2)),   -- 1 member, 2 waits for approval
    nickname TEXT,                            -- in this network; NULL: the account's
    online INTEGER NOT NULL DEFAULT 1,        -- wants to be online here
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (network, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_address ON members (address);

-- Accounts that may not simply join again: 1 evicted (only by approval), 2 banned (not at all).
CREATE TABLE exclusions (
    network INTEGER NOT NULL REFERENCES networks (network) ON DELETE CASCADE,
    address INTEGER NOT NULL REFERENCES accounts (address) ON DELETE CASCADE,
    kind INTEGER NOT NULL CHECK (kind IN (1, 2)),
    PRIMARY KEY (network, address)
) STRICT, WITHOUT ROWID;

-- The latest signed statement of the owner about each account.
CREATE TABLE statements (
    network INTEGER NOT NULL REFERENCES networks (network) ON DELETE CASCADE,
    address INTEGER NOT NULL REFERENCES accounts (address) ON DELETE CASCADE,
    counter INTEGER NOT NULL,
    signed BLOB NOT NULL,
    PRIMARY KEY (network, address)
) STRICT, WITHOUT ROWID;
