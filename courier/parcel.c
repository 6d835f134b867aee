/* SPDX-License-Identifier: MIT */
/* Parcels: deliveries in the courier's hands. */
#include "courier/parcel.h"

#include <stdlib.h>

struct parcel *parcel_make(struct delivery *delivery)
{
    struct parcel *p = xcalloc(1, sizeof *p);
    p->delivery = *delivery;
    *delivery = (struct delivery){0};
    return p;
}

void parcels_free(struct parcel *list)
{
    while (list != NULL) {
        struct parcel *next = list->next;
        delivery_free(&list->delivery);
        outcome_clear(&list->outcome);
        free(list->folder);
        free(list);
        list = next;
    }
}

size_t parcels_count(const struct parcel *list)
{
    size_t n = 0;
    for (; list != NULL; list = list->next)
        n++;
    return n;
}
