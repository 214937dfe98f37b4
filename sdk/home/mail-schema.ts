/** "phml": posthorn mail. */
export const MAIL_APPLICATION_ID = 0x70_68_6d_6c

/** Version n is the state after the first n; never edit one that was released. */
export const MAIL_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE inbox (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT, -- arrival order
    id TEXT NOT NULL UNIQUE,
    sender TEXT NOT NULL,
    text TEXT NOT NULL,                        -- decrypted: this file is as private as the key beside it
    act TEXT NOT NULL,
    at INTEGER NOT NULL,
    root TEXT,
    reply_to TEXT,
    private INTEGER NOT NULL,
    content_type TEXT,
    deadline INTEGER,
    seq INTEGER,
    relay TEXT NOT NULL,
    error TEXT,
    event TEXT NOT NULL,                       -- verified JSON
    read INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'new',
    attempts INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX inbox_work ON inbox (state, act, ordinal);
  CREATE INDEX inbox_replies ON inbox (reply_to, ordinal) WHERE reply_to IS NOT NULL;
  CREATE INDEX inbox_unread ON inbox (ordinal) WHERE read = 0;
  CREATE TABLE outbox (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    event TEXT NOT NULL,                       -- signed JSON, re-sent unchanged
    expires INTEGER,
    state TEXT NOT NULL DEFAULT 'queued',
    relay TEXT,
    seq INTEGER,
    epoch TEXT,
    reason TEXT
  ) STRICT;
  CREATE INDEX outbox_state ON outbox (state, ordinal);
  CREATE INDEX outbox_acknowledged ON outbox (relay, epoch, seq) WHERE state = 'stored';
  CREATE TABLE positions (
    relay TEXT NOT NULL,
    filter TEXT NOT NULL,
    scope TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    told INTEGER NOT NULL,                     -- grows with every write: the most recent one is tried first
    PRIMARY KEY (relay, filter, scope, epoch)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE inbox ADD COLUMN topic TEXT;
  ALTER TABLE inbox ADD COLUMN idem TEXT;
  ALTER TABLE inbox ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE inbox ADD COLUMN envelope TEXT NOT NULL DEFAULT '{}';  -- JSON of what is never searched for
  ALTER TABLE inbox ADD COLUMN receipt_due INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE inbox ADD COLUMN stranger TEXT;                        -- listed, held, or no stranger
  ALTER TABLE inbox ADD COLUMN result TEXT;                          -- JSON of what was answered
  DROP INDEX inbox_work;
  CREATE INDEX inbox_work ON inbox (state, act, priority DESC, ordinal);
  CREATE INDEX inbox_topic_work ON inbox (state, priority DESC, ordinal) WHERE topic IS NOT NULL;
  CREATE INDEX inbox_idem ON inbox (sender, idem) WHERE idem IS NOT NULL;
  CREATE INDEX inbox_receipts ON inbox (ordinal) WHERE receipt_due = 1;
  CREATE INDEX inbox_strangers ON inbox (stranger, sender) WHERE stranger IS NOT NULL;
  ALTER TABLE outbox ADD COLUMN idem TEXT;
  CREATE INDEX outbox_idem ON outbox (recipient, idem) WHERE idem IS NOT NULL;
  CREATE TABLE receipts (
    message TEXT NOT NULL,
    state TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    text TEXT,
    private INTEGER NOT NULL,
    PRIMARY KEY (message, state)               -- the newest of each state
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER forgotten AFTER DELETE ON outbox BEGIN DELETE FROM receipts WHERE message = old.id; END;
  CREATE TABLE strangers (
    pubkey TEXT PRIMARY KEY,                   -- empty: those who are too many to be counted one by one
    dropped INTEGER NOT NULL DEFAULT 0,
    verdict TEXT
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- What each relay was given of a sent message. outbox.relay, seq and reason tell the copy that decided its state.
  CREATE TABLE copies (
    place INTEGER PRIMARY KEY AUTOINCREMENT,   -- order in which copies wait for a relay
    id TEXT NOT NULL,
    relay TEXT NOT NULL,
    state TEXT NOT NULL,                       -- waiting, stored, refused
    seq INTEGER,
    epoch TEXT,
    reason TEXT,
    UNIQUE (id, relay)
  ) STRICT;
  INSERT INTO copies (id, relay, state, seq, epoch, reason)
    SELECT id, relay, state, seq, epoch, reason FROM outbox WHERE state IN ('stored', 'refused') AND relay <> '' ORDER BY ordinal;
  CREATE INDEX copies_waiting ON copies (relay, place) WHERE state = 'waiting';
  CREATE INDEX copies_acknowledged ON copies (relay, epoch, seq) WHERE state = 'stored';
  DROP INDEX outbox_acknowledged;
  ALTER TABLE outbox DROP COLUMN epoch;
  ALTER TABLE outbox ADD COLUMN settled_ms INTEGER; -- since 1970; null while queued
  UPDATE outbox SET settled_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE state <> 'queued';
  CREATE INDEX outbox_settled ON outbox (settled_ms) WHERE settled_ms IS NOT NULL;
  CREATE TRIGGER forgotten_copies AFTER DELETE ON outbox BEGIN DELETE FROM copies WHERE id = old.id; END;
  `,
  `
  CREATE TABLE relay_notes (
    pubkey TEXT PRIMARY KEY,
    text TEXT NOT NULL,                        -- JSON: the relay lists last seen, and what follows from them
    asked_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX relay_notes_age ON relay_notes (asked_ms);
  `,
  `
  ALTER TABLE inbox ADD COLUMN schema TEXT;
  CREATE INDEX inbox_schema_work ON inbox (state, act, schema, priority DESC, ordinal) WHERE schema IS NOT NULL;
  `,
  `
  ALTER TABLE outbox ADD COLUMN waits_since_ms INTEGER; -- when it was first seen queued; null before, and while it is not
  `,
  `
  -- Received, and no row of the inbox: wraps, receipts, what was not kept of strangers. So that a relay that still has them is not asked again.
  CREATE TABLE seen (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL                        -- created_at of the event
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX seen_at ON seen (at);
  `,
  `
  -- With a hundred thousand messages waiting, each question is a few steps in an index.
  CREATE INDEX inbox_unread_senders ON inbox (sender) WHERE read = 0 AND stranger IS NOT 'held';
  CREATE INDEX inbox_unhandled ON inbox (act, ordinal) WHERE state = 'new' AND read = 0 AND topic IS NULL AND stranger IS NOT 'held';
  CREATE INDEX inbox_due ON inbox (due_ms) WHERE state = 'failed';
  CREATE INDEX inbox_work_senders ON inbox (state, act, sender, priority DESC, ordinal, stranger) WHERE topic IS NULL;
  `,
  `
  ALTER TABLE copies ADD COLUMN fallback INTEGER NOT NULL DEFAULT 0; -- 1: given to be sure; what its relay says decides nothing
  `,
]
