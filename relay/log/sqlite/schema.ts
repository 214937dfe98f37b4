/** PRAGMA application_id of a relay log: "PhLg". */
export const LOG_APPLICATION_ID = 0x50684c67

/**
 * The log on disk. `events` holds what is stored, `removals` what went (without content); together, by seq, they are the log.
 * `marks`, `deleted_ids` and `deleted_addresses` keep old versions and deleted events refused after their rows are gone.
 */
export const LOG_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE log (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL) STRICT;
  INSERT INTO log VALUES (1, 0);
  CREATE TABLE epochs (epoch TEXT PRIMARY KEY, start INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    pubkey TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    address TEXT,
    expires_at INTEGER,
    received_at INTEGER NOT NULL,
    json TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_time ON events (created_at DESC, id);
  CREATE INDEX events_author ON events (pubkey, created_at DESC, id);
  CREATE INDEX events_kind ON events (kind, created_at DESC, id);
  CREATE INDEX events_author_kind ON events (pubkey, kind, created_at DESC, id);
  CREATE INDEX events_address ON events (address) WHERE address IS NOT NULL;
  CREATE INDEX events_expiry ON events (expires_at) WHERE expires_at IS NOT NULL;

  CREATE TABLE tags (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (name, value, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tags_time ON tags (name, value, created_at DESC);

  CREATE TABLE removals (
    seq INTEGER PRIMARY KEY,
    op TEXT NOT NULL,
    address TEXT,
    removed_at INTEGER NOT NULL,
    target TEXT NOT NULL
  ) STRICT;
  CREATE TABLE marks (address TEXT PRIMARY KEY, created_at INTEGER NOT NULL, id TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE deleted_ids (id TEXT NOT NULL, author TEXT NOT NULL, PRIMARY KEY (id, author)) STRICT, WITHOUT ROWID;
  CREATE TABLE deleted_addresses (address TEXT PRIMARY KEY, up_to INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE vanished (author TEXT PRIMARY KEY, up_to INTEGER NOT NULL, seq INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
  CREATE TABLE wills (author TEXT NOT NULL, session TEXT NOT NULL, id TEXT NOT NULL UNIQUE, json TEXT NOT NULL, PRIMARY KEY (author, session)) STRICT;
  `,
  `
  CREATE TABLE settings (section TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (section, name)) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE events ADD COLUMN sig_sum INTEGER;
  CREATE TABLE floors (part TEXT NOT NULL, kind INTEGER NOT NULL, floor INTEGER NOT NULL, PRIMARY KEY (part, kind)) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE VIRTUAL TABLE search USING fts5(words, content='', contentless_delete=1, tokenize='ascii');
  CREATE TABLE search_version (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT;
  INSERT INTO search_version (one, version) VALUES (1, 0);
  CREATE TRIGGER events_search AFTER DELETE ON events BEGIN DELETE FROM search WHERE rowid = old.seq; END;
  `,
]
