CREATE TABLE dead_letter (
  number INTEGER PRIMARY KEY, epoch BLOB NOT NULL, life INTEGER NOT NULL, partition INTEGER NOT NULL,
  "offset" INTEGER NOT NULL, at INTEGER NOT NULL, parked INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
  key BLOB, headers BLOB NOT NULL, value BLOB, sent INTEGER NOT NULL DEFAULT 0, redriven INTEGER,
  UNIQUE (epoch, life, partition, "offset")
);
CREATE INDEX dead_letter_by_reason ON dead_letter (reason, number);
CREATE INDEX dead_letter_unsent ON dead_letter (number) WHERE sent = 0;
