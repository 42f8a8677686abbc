-- The timeline, version 1. Times are milliseconds since 1970; an epoch is the log's number in 64 bits.

-- How far each partition is recorded: the only authority on it.
CREATE TABLE recorded (
  epoch     INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  next      INTEGER NOT NULL,
  life      INTEGER NOT NULL,
  PRIMARY KEY (epoch, partition)
) WITHOUT ROWID;

-- The log that was written to last, in one row.
CREATE TABLE newest_log (
  one   INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL
);

CREATE TABLE notification (
  number     INTEGER PRIMARY KEY,
  id         BLOB    NOT NULL UNIQUE,
  at         INTEGER NOT NULL,
  epoch      INTEGER NOT NULL,
  partition  INTEGER NOT NULL,
  "offset"   INTEGER NOT NULL,
  life       INTEGER NOT NULL,
  type       TEXT    NOT NULL,
  mall       INTEGER,
  audience   TEXT    NOT NULL,
  severity   INTEGER NOT NULL,
  silent     INTEGER NOT NULL,
  shape      INTEGER NOT NULL,
  "key"      BLOB,
  headers    TEXT    NOT NULL,
  value      BLOB    NOT NULL,
  keep_until INTEGER NOT NULL,
  checksum   INTEGER NOT NULL,
  UNIQUE (epoch, partition, "offset", life)
);
CREATE INDEX notification_by_end ON notification (keep_until);

-- Names of types, each once: an entry names them by number.
CREATE TABLE kind (
  number INTEGER PRIMARY KEY,
  type   TEXT NOT NULL UNIQUE
);

-- One entry for each term of an audience: it only finds, the notification decides. The first index serves lists, the
-- second streams and counts.
CREATE TABLE entry (
  term      TEXT    NOT NULL,
  at        INTEGER NOT NULL,
  epoch     INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  "offset"  INTEGER NOT NULL,
  life      INTEGER NOT NULL,
  number    INTEGER NOT NULL,
  mall      INTEGER,
  kind      INTEGER NOT NULL,
  severity  INTEGER NOT NULL,
  silent    INTEGER NOT NULL,
  bytes     INTEGER NOT NULL,
  PRIMARY KEY (term, at, epoch, partition, "offset", life)
) WITHOUT ROWID;
CREATE INDEX entry_by_offset ON entry (term, epoch, partition, "offset", life, number, mall, silent, bytes);

-- What nobody can have from here any more: purged up to there.
CREATE TABLE horizon (
  epoch     INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  next      INTEGER NOT NULL,
  PRIMARY KEY (epoch, partition)
) WITHOUT ROWID;

-- Records that went from Kafka before they were recorded.
CREATE TABLE hole (
  epoch     INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  start     INTEGER NOT NULL,
  "end"     INTEGER NOT NULL,
  noticed   INTEGER NOT NULL,
  PRIMARY KEY (epoch, partition, start)
) WITHOUT ROWID;

-- What an operator has read: everything before a place in each log (positions as on the wire), ...
CREATE TABLE watermark (
  operator INTEGER NOT NULL,
  epoch    INTEGER NOT NULL,
  position TEXT    NOT NULL,
  PRIMARY KEY (operator, epoch)
);

-- ... the rights that were seen, with the place at which those began that came later, one position per log, ...
CREATE TABLE operator_right (
  operator INTEGER NOT NULL,
  term     TEXT    NOT NULL,
  since    TEXT    NOT NULL,
  PRIMARY KEY (operator, term)
);

-- ... and what was marked by itself.
CREATE TABLE exception (
  operator INTEGER NOT NULL,
  id       BLOB    NOT NULL,
  read     INTEGER NOT NULL,
  marked   INTEGER NOT NULL,
  recorded INTEGER NOT NULL,   -- 0: a click that came before its notification
  PRIMARY KEY (operator, id)
) WITHOUT ROWID;
CREATE INDEX exception_by_id ON exception (id);
CREATE INDEX exception_unread ON exception (operator) WHERE read = 0;
CREATE INDEX exception_early ON exception (marked) WHERE recorded = 0;
CREATE INDEX exception_early_of ON exception (operator) WHERE recorded = 0;

-- Records that nobody can be shown, as they were.
CREATE TABLE dead_letter (
  number     INTEGER PRIMARY KEY AUTOINCREMENT,   -- what people type: never given twice
  epoch      BLOB    NOT NULL,
  life       INTEGER NOT NULL,
  partition  INTEGER NOT NULL,
  "offset"   INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  parked     INTEGER NOT NULL,
  reason     TEXT    NOT NULL,
  detail     TEXT    NOT NULL,
  sent       INTEGER NOT NULL DEFAULT 0,
  redriven   INTEGER,
  -- The large ones last: whoever counts does not walk through them.
  key        BLOB,
  headers    BLOB    NOT NULL,
  value      BLOB,
  UNIQUE (epoch, life, partition, "offset")
);
CREATE INDEX dead_letter_by_reason ON dead_letter (reason, number);
CREATE INDEX dead_letter_unsent ON dead_letter (number) WHERE sent = 0;
CREATE INDEX dead_letter_waiting ON dead_letter (reason, number) WHERE redriven IS NULL;
