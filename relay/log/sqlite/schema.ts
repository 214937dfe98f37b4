import { isHex64 } from '../../../protocol/hex.ts'
import { authorKey, rankOf, tagKey } from './keys.ts'
import { eventOfText, rowSum } from './row.ts'

/** PRAGMA application_id of a relay log: "PhLg". */
export const LOG_APPLICATION_ID = 0x50684c67

/**
 * What migrations ask of JavaScript. A damaged row gets keys that find it and a checksum that never fits, so that it stays as
 * damaged as it was and is not made good by moving it.
 */
export const LOG_FUNCTIONS = {
  id_rank: (id: unknown) => (isHex64(id) ? rankOf(id) : 0),
  author_key: (pubkey: unknown) => (isHex64(pubkey) ? authorKey(pubkey) : 0),
  tag_key: (name: unknown, value: unknown) => tagKey(String(name), String(value)),
  row_sum: (...columns: readonly unknown[]) => {
    const [seq, id, pubkey, created_at, kind, expires_at, json, sig_sum] = columns as [
      ...[seq: number, id: string, pubkey: string, created_at: number, kind: number],
      ...[expires_at: number | null, json: string, sig_sum: number | null],
    ]
    const event = eventOfText({ json, sig_sum })
    const agrees = event?.id === id && event.pubkey === pubkey && event.created_at === created_at && event.kind === kind
    return agrees ? rowSum({ seq, created_at, kind, expires_at, json }) : ''
  },
} as const

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
  // Short keys instead of ids, keys and tag values (`keys.ts`), a checksum over the text (`row.ts`), search behind the commits.
  `
  DROP TRIGGER events_search;
  CREATE TABLE events_6 (
    seq INTEGER PRIMARY KEY,
    rank INTEGER NOT NULL,
    author INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    expires_at INTEGER,
    received_at INTEGER NOT NULL,
    address TEXT,
    sum TEXT NOT NULL,
    json TEXT NOT NULL
  ) STRICT;
  INSERT INTO events_6
    SELECT seq, id_rank(id), author_key(pubkey), created_at, kind, expires_at, received_at, address,
      row_sum(seq, id, pubkey, created_at, kind, expires_at, json, sig_sum), json
    FROM events NOT INDEXED ORDER BY seq;
  DROP TABLE events;
  ALTER TABLE events_6 RENAME TO events;
  CREATE INDEX events_id ON events (rank);
  CREATE INDEX events_time ON events (created_at, rank, kind);
  CREATE INDEX events_kind ON events (kind, created_at, rank);
  CREATE INDEX events_author ON events (author, kind, created_at, rank);
  CREATE INDEX events_address ON events (address) WHERE address IS NOT NULL;
  CREATE INDEX events_expiry ON events (expires_at) WHERE expires_at IS NOT NULL;

  CREATE TABLE tags_6 (
    key INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    PRIMARY KEY (key, created_at, rank, seq)
  ) STRICT, WITHOUT ROWID;
  INSERT OR IGNORE INTO tags_6
    SELECT tag_key(t.name, t.value), e.created_at, e.rank, e.seq, e.kind FROM tags t CROSS JOIN events e ON e.seq = t.seq
    ORDER BY 1, 2, 3, 4;
  DROP TABLE tags;
  ALTER TABLE tags_6 RENAME TO tags;
  CREATE INDEX tags_mail ON tags (key, seq) WHERE key < 0;

  CREATE TRIGGER events_search AFTER DELETE ON events BEGIN DELETE FROM search WHERE rowid = old.seq; END;
  ALTER TABLE search_version ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
  UPDATE search_version SET indexed = (SELECT last FROM log);
  `,
]

/**
 * Indexes that only the writer needs, made where they are missing. They are no schema version of their own: every program that knows the
 * tables can go on with the file, and no copy of it has to be made first. Of a removal, by where the author stands in its text, whatever
 * the text is.
 */
export const WRITER_INDEXES = `
  CREATE INDEX IF NOT EXISTS removals_author ON removals (substr(target, 84, 12));
  CREATE INDEX IF NOT EXISTS tags_wraps ON tags (key, created_at, seq) WHERE kind = 1059;
`
