/* SPDX-License-Identifier: MIT */
/*
 * Every statement of the queue's database, once: STATEMENT(NAME, "SQL"). Each connection prepares one when it
 * is first asked for and keeps it.
 */
STATEMENT(BEGIN, "BEGIN IMMEDIATE")
STATEMENT(COMMIT, "COMMIT")
STATEMENT(ROLLBACK, "ROLLBACK")
STATEMENT(READ_BEGIN, "BEGIN")

/* coming in */
STATEMENT(MESSAGE_ADD,
          "INSERT INTO message (key, id, sender, account, client, queued_at, size, eight_bit, body)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
STATEMENT(RECIPIENT_ADD, "INSERT INTO recipient (key, address, next_at, attempts) VALUES (?1, ?2, ?3, 0)")

/* going out */
STATEMENT(DUE, "SELECT key FROM recipient WHERE next_at <= ?1 ORDER BY next_at, key")
STATEMENT(DUE_NEXT, "SELECT next_at FROM recipient WHERE next_at > ?1 ORDER BY next_at LIMIT 1")
STATEMENT(DUE_OF_MESSAGE, "SELECT key, address, attempts FROM recipient"
                          " WHERE key BETWEEN ?1 AND ?2 AND +next_at <= ?3 ORDER BY key")
STATEMENT(MESSAGE_GET, "SELECT id, sender, account, queued_at, size, eight_bit FROM message WHERE key = ?1")
STATEMENT(BODY_GET, "SELECT size, body FROM message WHERE id = ?1")

/* settled; a held recipient stays held */
STATEMENT(RECIPIENT_DROP, "DELETE FROM recipient WHERE key = ?1")
STATEMENT(RECIPIENT_RETRY,
          "UPDATE recipient SET next_at = iif(next_at IS NULL, NULL, ?2), attempts = attempts + 1,"
          " answer = ?3 WHERE key = ?1")
STATEMENT(RECIPIENT_ANY, "SELECT 1 FROM recipient WHERE key BETWEEN ?1 AND ?2 LIMIT 1")
STATEMENT(MESSAGE_PLACE, "SELECT id, size, typeof(body) = 'null' FROM message WHERE key = ?1")
STATEMENT(MESSAGE_KNOWN, "SELECT key FROM message WHERE id = ?1")
STATEMENT(MESSAGE_DROP, "DELETE FROM message WHERE key = ?1")

/* for people; RECIPIENTS_... work on a range of keys: those of one message */
STATEMENT(MESSAGE_AFTER, "SELECT key, id, sender, account, client, size, queued_at FROM message"
                         " WHERE key > ?1 ORDER BY key LIMIT 1")
STATEMENT(MESSAGE_BY_ID,
          "SELECT key, id, sender, account, client, size, queued_at FROM message WHERE id = ?1")
STATEMENT(RECIPIENTS_OF, "SELECT key, address, next_at, attempts, answer FROM recipient"
                         " WHERE key BETWEEN ?1 AND ?2 ORDER BY key")
STATEMENT(RECIPIENTS_RETRY, "UPDATE recipient SET next_at = ?3 WHERE key BETWEEN ?1 AND ?2")
STATEMENT(RECIPIENTS_HOLD, "UPDATE recipient SET next_at = NULL WHERE key BETWEEN ?1 AND ?2")
STATEMENT(RECIPIENTS_DROP, "DELETE FROM recipient WHERE key BETWEEN ?1 AND ?2")

/* at open */
STATEMENT(KEY_LAST, "SELECT max(key) FROM message")
STATEMENT(MESSAGE_SUM, "SELECT count(*), coalesce(sum(size), 0) FROM message")
STATEMENT(RECIPIENT_COUNT, "SELECT count(*) FROM recipient")
STATEMENT(BODY_FILES, "SELECT key, id, size FROM message WHERE typeof(body) = 'null'")
STATEMENT(BODY_FILE_KNOWN, "SELECT 1 FROM message WHERE id = ?1 AND typeof(body) = 'null'")
STATEMENT(RECIPIENTS_DAMAGED, "UPDATE recipient SET next_at = NULL, answer = ?3 WHERE key BETWEEN ?1 AND ?2")
