/* SPDX-License-Identifier: MIT */
/* How events are carried within the journal; of this room only. */
#ifndef GP_JOURNAL_EVENT_H
#define GP_JOURNAL_EVENT_H

#include "journal/journal.h"

/* An event and all its texts in one allocation; a link of a list. Free it with free(). */
struct item {
    struct item *next;
    size_t bytes; /* of the allocation */
    struct event event;
    char text[]; /* what event points to */
};

/* Copies the event: texts are cut, NULL becomes "", a time of 0 becomes now. */
struct item *item_make(const struct event *event);

/* Appends a JSON object with what history keeps no column for. Texts that are not UTF-8 are read as ISO
 * 8859-1. */
void event_json(const struct event *event, struct buf *out);

#endif
