/* SPDX-License-Identifier: MIT */
/* gatepost status */
#include "cli/cli.h"

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_counts(const char *title, json_t *counts)
{
    const char *name = NULL;
    json_t *count = NULL;
    if (json_object_size(counts) == 0)
        return;
    printf("%s\n", title);
    json_object_foreach(counts, name, count)
        printf("  %-32s %lld\n", name, (long long)json_integer_value(count));
}

static void print_status(const json_t *data)
{
    const json_t *queue = json_object_get(data, "queue"), *logins = json_object_get(data, "logins"),
                 *counts = json_object_get(data, "counts");
    printf("gatepost %s, pid %lld, running since %s, settings %s\n", cli_text(data, "version"),
           number(data, "pid"), cli_text(data, "since"), cli_text(data, "settings"));
    printf("connections: %lld\n", number(data, "connections"));
    printf("queue:       %lld messages, %lld recipients, %lld bytes; disk: %s\n", number(queue, "messages"),
           number(queue, "recipients"), number(queue, "bytes"), cli_text(queue, "state"));
    printf("logins:      %lld hashes, %lld from memory, %lld waiting, %lld turned away; accounts: %s\n",
           number(logins, "hashes"), number(logins, "cache_hits"), number(logins, "waiting"),
           number(logins, "turned_away"), cli_text(logins, "store"));
    if (number(counts, "lost_lines") + number(counts, "lost_history") > 0)
        printf("journal:     %lld log lines and %lld history rows were lost\n", number(counts, "lost_lines"),
               number(counts, "lost_history"));
    print_counts("since the start:", json_object_get(counts, "events"));
    print_counts("of these, by cause:", json_object_get(counts, "causes"));
}

int cli_status(const struct cli *cli)
{
    json_t *data = NULL;
    int code = cli_ask(cli, "status", NULL, &data);
    if (data != NULL && (cli->options & OPTION_JSON))
        cli_print_json(data);
    else if (data != NULL)
        print_status(data);
    json_decref(data);
    return code;
}
