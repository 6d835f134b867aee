/* SPDX-License-Identifier: MIT */
/* The rows of one message: added, and dropped. Steps of the writer's transactions. */
#include "spool/room.h"

enum db_outcome message_add(struct spool *spool, const struct new_message *message, struct effects *fx)
{
    struct db *db = &spool->writer.db;
    int64_t key = spool->writer.next_key++;
    int64_t now = clock_wall();
    struct db_value body = message->in_file ? db_null() : db_blob(message->body, (size_t)message->size);
    enum db_outcome outcome =
        db_run(db, DO_MESSAGE_ADD,
               DB_ARGS(db_int(key), db_text(message->id), db_text(message->sender), db_text(message->account),
                       db_text(message->client), db_int(now), db_int((int64_t)message->size),
                       db_int(message->eight_bit), body));
    for (size_t i = 0; i < message->recipient_count && outcome == DB_OK; i++)
        outcome = db_run(
            db, DO_RECIPIENT_ADD,
            DB_ARGS(db_int(key_recipient(key, (int64_t)i)), db_text(message->recipients[i]), db_int(now)));
    fx->messages++;
    fx->added++;
    fx->recipients += (int64_t)message->recipient_count;
    fx->bytes += (int64_t)message->size;
    fx->due_now = true;
    return outcome;
}

static enum db_outcome drop_row(struct spool *spool, int64_t message, struct effects *fx)
{
    struct db *db = &spool->writer.db;
    sqlite3_stmt *rows = db_query(db, DO_MESSAGE_PLACE, DB_ARGS(db_int(message)));
    if (rows == NULL)
        return db_outcome(db);
    enum db_row row = db_next(rows);
    enum db_outcome outcome = row == DB_ERROR ? db_outcome(db) : DB_OK;
    if (row == DB_ROW) {
        fx->messages--;
        fx->bytes -= sqlite3_column_int64(rows, 1);
        if (sqlite3_column_int(rows, 2) != 0)
            effects_file(fx, db_column_text(rows, 0));
    }
    db_end(rows);
    return row == DB_ROW ? db_run(db, DO_MESSAGE_DROP, DB_ARGS(db_int(message))) : outcome;
}

enum db_outcome message_drop_if_done(struct spool *spool, int64_t message, struct effects *fx)
{
    int64_t any = 0;
    enum db_outcome outcome =
        db_number(&spool->writer.db, DO_RECIPIENT_ANY, DB_ARGS(KEY_RANGE(message)), &any);
    return outcome == DB_OK && any == 0 ? drop_row(spool, message, fx) : outcome;
}

enum db_outcome message_drop(struct spool *spool, int64_t message, struct effects *fx)
{
    struct db *db = &spool->writer.db;
    enum db_outcome outcome = db_run(db, DO_RECIPIENTS_DROP, DB_ARGS(KEY_RANGE(message)));
    if (outcome != DB_OK)
        return outcome;
    fx->recipients -= sqlite3_changes(db->handle);
    return drop_row(spool, message, fx);
}
