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
  `
  -- No question costs more because more waits: what is counted is counted along, in the transaction of the change; what is looked for has an index.
  CREATE TABLE counts (
    unread INTEGER NOT NULL,                   -- held messages apart
    failed INTEGER NOT NULL,                   -- set aside, held messages apart
    receipts_due INTEGER NOT NULL,
    listed INTEGER NOT NULL,                   -- of strangers, unread
    held INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    undelivered INTEGER NOT NULL
  ) STRICT;                                    -- one row
  INSERT INTO counts SELECT
    (SELECT count(*) FROM inbox WHERE read = 0 AND stranger IS NOT 'held'),
    (SELECT count(*) FROM inbox WHERE state = 'set-aside' AND stranger IS NOT 'held'),
    (SELECT count(*) FROM inbox WHERE receipt_due = 1),
    (SELECT count(*) FROM inbox WHERE stranger = 'listed' AND read = 0),
    (SELECT count(*) FROM inbox WHERE stranger = 'held'),
    (SELECT count(*) FROM outbox WHERE state = 'queued'),
    (SELECT count(*) FROM outbox WHERE state IN ('refused', 'undeliverable'));
  CREATE TRIGGER inbox_counted AFTER INSERT ON inbox BEGIN
    UPDATE counts SET unread = unread + (new.read = 0 AND new.stranger IS NOT 'held'),
      failed = failed + (new.state = 'set-aside' AND new.stranger IS NOT 'held'),
      receipts_due = receipts_due + (new.receipt_due = 1),
      listed = listed + (new.stranger IS 'listed' AND new.read = 0), held = held + (new.stranger IS 'held');
  END;
  CREATE TRIGGER inbox_recounted AFTER UPDATE OF read, state, receipt_due, stranger ON inbox
    WHEN old.read <> new.read OR (old.state = 'set-aside') <> (new.state = 'set-aside')
      OR old.receipt_due <> new.receipt_due OR old.stranger IS NOT new.stranger BEGIN
    UPDATE counts SET
      unread = unread - (old.read = 0 AND old.stranger IS NOT 'held') + (new.read = 0 AND new.stranger IS NOT 'held'),
      failed = failed - (old.state = 'set-aside' AND old.stranger IS NOT 'held') + (new.state = 'set-aside' AND new.stranger IS NOT 'held'),
      receipts_due = receipts_due - (old.receipt_due = 1) + (new.receipt_due = 1),
      listed = listed - (old.stranger IS 'listed' AND old.read = 0) + (new.stranger IS 'listed' AND new.read = 0),
      held = held - (old.stranger IS 'held') + (new.stranger IS 'held');
  END;
  CREATE TRIGGER inbox_uncounted AFTER DELETE ON inbox BEGIN
    UPDATE counts SET unread = unread - (old.read = 0 AND old.stranger IS NOT 'held'),
      failed = failed - (old.state = 'set-aside' AND old.stranger IS NOT 'held'),
      receipts_due = receipts_due - (old.receipt_due = 1),
      listed = listed - (old.stranger IS 'listed' AND old.read = 0), held = held - (old.stranger IS 'held');
  END;
  CREATE TRIGGER outbox_counted AFTER INSERT ON outbox BEGIN
    UPDATE counts SET queue = queue + (new.state = 'queued'),
      undelivered = undelivered + (new.state IN ('refused', 'undeliverable'));
  END;
  CREATE TRIGGER outbox_recounted AFTER UPDATE OF state ON outbox WHEN old.state <> new.state BEGIN
    UPDATE counts SET queue = queue - (old.state = 'queued') + (new.state = 'queued'),
      undelivered = undelivered - (old.state IN ('refused', 'undeliverable')) + (new.state IN ('refused', 'undeliverable'));
  END;
  CREATE TRIGGER outbox_uncounted AFTER DELETE ON outbox BEGIN
    UPDATE counts SET queue = queue - (old.state = 'queued'),
      undelivered = undelivered - (old.state IN ('refused', 'undeliverable'));
  END;

  CREATE TABLE work_left (
    act TEXT NOT NULL,
    topic TEXT NOT NULL,                       -- empty: a direct message
    schema TEXT NOT NULL,                      -- empty: none
    sender TEXT NOT NULL,
    n INTEGER NOT NULL,                        -- not held, and waiting for a handler or with one
    PRIMARY KEY (topic, act, schema, sender)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO work_left SELECT act, coalesce(topic, ''), coalesce(schema, ''), sender, count(*) FROM inbox
    WHERE state IN ('new', 'working', 'failed') AND stranger IS NOT 'held' GROUP BY 1, 2, 3, 4;
  CREATE TRIGGER work_came AFTER INSERT ON inbox
    WHEN new.state IN ('new', 'working', 'failed') AND new.stranger IS NOT 'held' BEGIN
    INSERT INTO work_left VALUES (new.act, coalesce(new.topic, ''), coalesce(new.schema, ''), new.sender, 1)
      ON CONFLICT DO UPDATE SET n = n + 1;
  END;
  CREATE TRIGGER work_back AFTER UPDATE OF state, stranger ON inbox
    WHEN new.state IN ('new', 'working', 'failed') AND new.stranger IS NOT 'held'
      AND NOT (old.state IN ('new', 'working', 'failed') AND old.stranger IS NOT 'held') BEGIN
    INSERT INTO work_left VALUES (new.act, coalesce(new.topic, ''), coalesce(new.schema, ''), new.sender, 1)
      ON CONFLICT DO UPDATE SET n = n + 1;
  END;
  CREATE TRIGGER work_over AFTER UPDATE OF state, stranger ON inbox
    WHEN old.state IN ('new', 'working', 'failed') AND old.stranger IS NOT 'held'
      AND NOT (new.state IN ('new', 'working', 'failed') AND new.stranger IS NOT 'held') BEGIN
    UPDATE work_left SET n = n - 1 WHERE topic = coalesce(old.topic, '') AND act = old.act
      AND schema = coalesce(old.schema, '') AND sender = old.sender;
    DELETE FROM work_left WHERE topic = coalesce(old.topic, '') AND act = old.act
      AND schema = coalesce(old.schema, '') AND sender = old.sender AND n <= 0;
  END;
  CREATE TRIGGER work_gone AFTER DELETE ON inbox
    WHEN old.state IN ('new', 'working', 'failed') AND old.stranger IS NOT 'held' BEGIN
    UPDATE work_left SET n = n - 1 WHERE topic = coalesce(old.topic, '') AND act = old.act
      AND schema = coalesce(old.schema, '') AND sender = old.sender;
    DELETE FROM work_left WHERE topic = coalesce(old.topic, '') AND act = old.act
      AND schema = coalesce(old.schema, '') AND sender = old.sender AND n <= 0;
  END;

  DROP INDEX inbox_work;
  CREATE INDEX inbox_work ON inbox (state, act, priority DESC, ordinal) WHERE topic IS NULL AND stranger IS NOT 'held';
  DROP INDEX inbox_topic_work;
  CREATE INDEX inbox_topic_work ON inbox (state, priority DESC, ordinal) WHERE topic IS NOT NULL AND stranger IS NOT 'held';
  DROP INDEX inbox_schema_work;
  CREATE INDEX inbox_schema_work ON inbox (state, act, schema, priority DESC, ordinal)
    WHERE topic IS NULL AND stranger IS NOT 'held' AND schema IS NOT NULL;
  DROP INDEX inbox_work_senders;
  -- The first of each schema and sender, where those who have to wait are stepped over.
  CREATE INDEX inbox_work_senders ON inbox (act, coalesce(schema, ''), sender, priority DESC, ordinal)
    WHERE state = 'new' AND topic IS NULL AND stranger IS NOT 'held';
  CREATE INDEX inbox_again_senders ON inbox (act, coalesce(schema, ''), sender, due_ms)
    WHERE state = 'failed' AND topic IS NULL AND stranger IS NOT 'held';
  CREATE INDEX inbox_topic_senders ON inbox (topic, sender, priority DESC, ordinal)
    WHERE state = 'new' AND topic IS NOT NULL AND stranger IS NOT 'held';
  CREATE INDEX inbox_topic_again ON inbox (topic, sender, due_ms)
    WHERE state = 'failed' AND topic IS NOT NULL AND stranger IS NOT 'held';
  CREATE INDEX inbox_working ON inbox (ordinal) WHERE state = 'working';
  CREATE INDEX inbox_aside ON inbox (ordinal) WHERE state = 'set-aside';
  CREATE INDEX inbox_senders ON inbox (sender, ordinal);
  DROP INDEX inbox_unread;
  CREATE INDEX inbox_unread ON inbox (ordinal) WHERE read = 0 AND stranger IS NOT 'held';
  DROP INDEX inbox_unread_senders;
  CREATE INDEX inbox_unread_senders ON inbox (sender, ordinal) WHERE read = 0 AND stranger IS NOT 'held';
  CREATE INDEX inbox_listed ON inbox (sender) WHERE stranger = 'listed' AND read = 0;

  CREATE TABLE unaddressed (                   -- queued, and no relay was chosen yet
    ordinal INTEGER PRIMARY KEY                -- of the outbox
  ) STRICT;
  INSERT INTO unaddressed SELECT ordinal FROM outbox
    WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM copies WHERE copies.id = outbox.id);
  CREATE TRIGGER unaddressed_queued AFTER INSERT ON outbox WHEN new.state = 'queued' BEGIN
    INSERT INTO unaddressed VALUES (new.ordinal);
  END;
  CREATE TRIGGER unaddressed_changed AFTER UPDATE OF state ON outbox
    WHEN (old.state = 'queued') <> (new.state = 'queued') BEGIN
    DELETE FROM unaddressed WHERE ordinal = new.ordinal;
    INSERT INTO unaddressed SELECT new.ordinal
      WHERE new.state = 'queued' AND NOT EXISTS (SELECT 1 FROM copies WHERE copies.id = new.id);
  END;
  CREATE TRIGGER unaddressed_gone AFTER DELETE ON outbox BEGIN
    DELETE FROM unaddressed WHERE ordinal = old.ordinal;
  END;
  CREATE TRIGGER unaddressed_copy AFTER INSERT ON copies BEGIN
    DELETE FROM unaddressed WHERE ordinal = (SELECT ordinal FROM outbox WHERE id = new.id);
  END;
  CREATE TRIGGER unaddressed_uncopied AFTER DELETE ON copies
    WHEN NOT EXISTS (SELECT 1 FROM copies WHERE copies.id = old.id) BEGIN
    INSERT OR IGNORE INTO unaddressed SELECT ordinal FROM outbox WHERE id = old.id AND state = 'queued';
  END;

  ALTER TABLE outbox ADD COLUMN heard INTEGER NOT NULL DEFAULT 0; -- 1: a receipt came, 2: a terminal one
  UPDATE outbox SET heard = 1 + (SELECT max(state IN ('done', 'failed', 'rejected')) FROM receipts WHERE message = outbox.id)
    WHERE EXISTS (SELECT 1 FROM receipts WHERE message = outbox.id);
  ALTER TABLE copies ADD COLUMN settled_ms INTEGER;               -- of a waiting copy: of its message, if another relay has it
  ALTER TABLE copies ADD COLUMN heard INTEGER NOT NULL DEFAULT 0; -- of its message
  UPDATE copies SET settled_ms = outbox.settled_ms, heard = outbox.heard FROM outbox
    WHERE outbox.id = copies.id AND (outbox.settled_ms IS NOT NULL OR outbox.heard > 0);
  CREATE TRIGGER copies_later AFTER INSERT ON copies
    WHEN EXISTS (SELECT 1 FROM outbox WHERE id = new.id AND (settled_ms IS NOT NULL OR heard > 0)) BEGIN
    UPDATE copies SET settled_ms = (SELECT settled_ms FROM outbox WHERE id = new.id),
      heard = (SELECT heard FROM outbox WHERE id = new.id) WHERE place = new.place;
  END;
  CREATE TRIGGER copies_settled AFTER UPDATE OF settled_ms, heard ON outbox
    WHEN old.settled_ms IS NOT new.settled_ms OR old.heard <> new.heard BEGIN
    UPDATE copies SET settled_ms = new.settled_ms, heard = new.heard
      WHERE id = new.id AND (settled_ms IS NOT new.settled_ms AND state = 'waiting' OR heard <> new.heard);
  END;
  CREATE INDEX copies_left_over ON copies (settled_ms) WHERE state = 'waiting' AND settled_ms IS NOT NULL;
  CREATE INDEX copies_unheard ON copies (relay) WHERE state = 'stored' AND seq IS NOT NULL AND heard = 0;
  DROP INDEX outbox_state;
  CREATE INDEX outbox_queued ON outbox (ordinal) WHERE state = 'queued';
  CREATE INDEX outbox_given_up ON outbox (ordinal) WHERE state IN ('refused', 'undeliverable');
  CREATE INDEX outbox_heard ON outbox (heard, settled_ms) WHERE settled_ms IS NOT NULL;
  CREATE INDEX outbox_expired ON outbox (settled_ms) WHERE state = 'expired';
  CREATE INDEX outbox_unseen ON outbox (ordinal) WHERE state = 'queued' AND expires IS NULL AND waits_since_ms IS NULL;
  CREATE INDEX outbox_waits ON outbox (waits_since_ms) WHERE state = 'queued' AND expires IS NULL AND waits_since_ms IS NOT NULL;
  CREATE INDEX outbox_expires ON outbox (expires) WHERE state = 'queued' AND expires IS NOT NULL;
  CREATE INDEX outbox_to ON outbox (recipient, ordinal) WHERE state = 'queued';
  CREATE INDEX outbox_unheard ON outbox (recipient, ordinal) WHERE state IN ('stored', 'refused') AND heard = 0;
  CREATE INDEX outbox_unheard_since ON outbox (recipient, settled_ms) WHERE state IN ('stored', 'refused') AND heard = 0;
  CREATE INDEX positions_told ON positions (told);
  `,
  `
  ALTER TABLE outbox ADD COLUMN seal TEXT;     -- of a wrap: what is inside, to wrap it again; null once a relay has it
  CREATE TRIGGER outbox_seal AFTER UPDATE OF state ON outbox WHEN new.state = 'stored' AND new.seal IS NOT NULL BEGIN
    UPDATE outbox SET seal = NULL WHERE ordinal = new.ordinal;
  END;
  `,
]
