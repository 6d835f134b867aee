/* SPDX-License-Identifier: MIT */
/* gatepost queue ... */
#include "cli/cli.h"

static const char *sender_text(const json_t *message)
{
    const char *sender = cli_text(message, "sender");
    return sender[0] != '\0' ? sender : "<>";
}

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_message(const json_t *message, bool in_full)
{
    json_t *recipient = NULL;
    size_t i = 0;
    printf("%s  %s  %lld bytes  from %s\n", cli_text(message, "id"), cli_text(message, "queued"),
           number(message, "size"), sender_text(message));
    if (in_full)
        printf("  login:  %s\n  client: %s\n", cli_text(message, "account"), cli_text(message, "client"));
    json_array_foreach(json_object_get(message, "recipients"), i, recipient)
    {
        printf("  to %s: %s, %lld attempts, next %s\n", cli_text(recipient, "address"),
               cli_text(recipient, "state"), number(recipient, "attempts"),
               cli_text(recipient, "next_attempt"));
        const char *answer = cli_text(recipient, "last_answer");
        int shown = in_full ? (int)strlen(answer) : (int)strcspn(answer, "\n");
        if (answer[0] != '\0')
            printf("    %.*s\n", shown, answer);
    }
}

static int show(const struct cli *cli, const char *command, json_t *args, bool in_full)
{
    json_t *data = NULL, *message = NULL;
    size_t i = 0;
    int code = cli_ask(cli, command, args, &data);
    if (data != NULL && (cli->options & OPTION_JSON))
        cli_print_json(data);
    else
        json_array_foreach(json_object_get(data, "messages"), i, message) print_message(message, in_full);
    json_decref(data);
    return code;
}

int cli_queue_list(const struct cli *cli)
{
    return show(cli, "queue.list", NULL, false);
}

int cli_queue_show(const struct cli *cli)
{
    return show(cli, "queue.show", json_pack("{s:s}", "id", cli->args[0]), true);
}

static int act(const struct cli *cli, const char *command, const char *done)
{
    bool all = (cli->options & OPTION_ALL) != 0;
    if (all == (cli->n > 0))
        return cli_fail(EXIT_USAGE, "name one message by its id, or all by --all");
    json_t *data = NULL;
    int code =
        cli_ask(cli, command, json_pack("{s:s, s:b}", "id", all ? "" : cli->args[0], "all", all), &data);
    if (data != NULL && (cli->options & OPTION_JSON))
        cli_print_json(data);
    else if (data != NULL && code == EXIT_DONE)
        printf("%lld %s\n", number(data, "messages"), done);
    json_decref(data);
    return code;
}

int cli_queue_retry(const struct cli *cli)
{
    return act(cli, "queue.retry", "due now");
}

int cli_queue_hold(const struct cli *cli)
{
    return act(cli, "queue.hold", "held");
}

int cli_queue_remove(const struct cli *cli)
{
    return act(cli, "queue.remove", "removed");
}
