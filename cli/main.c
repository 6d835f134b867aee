/* SPDX-License-Identifier: MIT */
/* The program: a table of subcommands, the options they share, and help made from the table. */
#include <getopt.h>

#include "cli/cli.h"

struct subcommand {
    const char *words; /* one or two */
    const char *args;
    const char *help; /* NULL: not shown */
    unsigned options;
    int min, max; /* arguments */
    cli_fn *run;
};

static const struct subcommand SUBCOMMANDS[] = {
    {"serve", "", "run the server in the foreground", 0, 0, 0, cli_serve},
    {"worker", "", NULL, 0, 0, 0, cli_worker},
    {"status", "", "what the server is doing", OPTION_JSON, 0, 0, cli_status},
    {"account add", "ADDRESS", "make an account; asks for its password", OPTION_PASSWORD_STDIN, 1, 1,
     cli_account_add},
    {"account password", "ADDRESS", "change an account's password", OPTION_PASSWORD_STDIN, 1, 1,
     cli_account_password},
    {"account list", "", "all accounts", OPTION_JSON, 0, 0, cli_account_list},
    {"account disable", "ADDRESS", "no login any more; mail is still received", 0, 1, 1, cli_account_disable},
    {"account enable", "ADDRESS", "login allowed again", 0, 1, 1, cli_account_enable},
    {"account remove", "ADDRESS", "delete an account (not its mail)", 0, 1, 1, cli_account_remove},
    {"account", "", NULL, OPTION_JSON, 0, 0, cli_account_list},
    {"queue list", "", "messages that wait, oldest first", OPTION_JSON, 0, 0, cli_queue_list},
    {"queue show", "ID", "one message, with the last answer for each recipient", OPTION_JSON, 1, 1,
     cli_queue_show},
    {"queue retry", "ID | --all", "deliver now; also releases held messages", OPTION_JSON | OPTION_ALL, 0, 1,
     cli_queue_retry},
    {"queue hold", "ID | --all", "keep, but do not deliver", OPTION_JSON | OPTION_ALL, 0, 1, cli_queue_hold},
    {"queue remove", "ID | --all", "delete without telling the sender", OPTION_JSON | OPTION_ALL, 0, 1,
     cli_queue_remove},
    {"queue", "", NULL, OPTION_JSON, 0, 0, cli_queue_list},
    {"settings list", "", "all settings with their values", OPTION_JSON, 0, 0, cli_settings_list},
    {"settings get", "NAME", "one setting's value", OPTION_JSON, 1, 1, cli_settings_get},
    {"settings set", "NAME VALUE", "change the file, and put it into force", 0, 2, 2, cli_settings_set},
    {"settings unset", "NAME", "back to the default", 0, 1, 1, cli_settings_unset},
    {"settings check", "", "whether the file is right", 0, 0, 0, cli_settings_check},
    {"settings sample", "", "a file with every setting and what it does", 0, 0, 0, cli_settings_sample},
    {"settings manual", "", "the same as a page of the manual (Markdown)", 0, 0, 0, cli_settings_manual},
    {"settings", "", NULL, OPTION_JSON, 0, 0, cli_settings_list},
    {"help", "", NULL, 0, 0, 9, cli_help},
    {"version", "", NULL, 0, 0, 0, cli_version},
};

static void print_usage(FILE *out, const char *first_word)
{
    for (size_t i = 0; i < COUNT_OF(SUBCOMMANDS); i++) {
        const struct subcommand *s = &SUBCOMMANDS[i];
        char form[64];
        snprintf(form, sizeof form, "%s%s%s", s->words, s->args[0] != '\0' ? " " : "", s->args);
        if (s->help != NULL && (first_word == NULL || strncmp(s->words, first_word, strlen(first_word)) == 0))
            fprintf(out, "  gatepost %-28s %s\n", form, s->help);
    }
}

int cli_help(const struct cli *cli)
{
    (void)cli;
    printf("Gatepost %s, a mail submission server\n\n", GP_VERSION);
    print_usage(stdout, NULL);
    printf("\nOptions: -c FILE (settings; /etc/gatepost/gatepost.conf), --json (lists), --password-stdin "
           "(one line), --all\n"
           "Exit codes: 0 done, 1 nothing found, 64 usage, 69 no server, 71 system, 75 try again, 78 "
           "settings\n");
    return EXIT_DONE;
}

int cli_version(const struct cli *cli)
{
    (void)cli;
    printf("gatepost %s\n", GP_VERSION);
    return EXIT_DONE;
}

int cli_serve(const struct cli *cli)
{
    return server_run(cli->settings_path);
}

int cli_worker(const struct cli *cli)
{
    return server_run_worker(cli->settings_path);
}

/* How many of the arguments the subcommand's words are; 0: it is another one. */
static int match(const struct subcommand *s, char **args, int n)
{
    const char *space = strchr(s->words, ' ');
    if (space == NULL)
        return n >= 1 && strcmp(args[0], s->words) == 0 ? 1 : 0;
    size_t len = (size_t)(space - s->words);
    bool first = n >= 2 && strncmp(args[0], s->words, len) == 0 && args[0][len] == '\0';
    return first && strcmp(args[1], space + 1) == 0 ? 2 : 0;
}

static int usage_error(const char *word)
{
    fprintf(stderr, "usage:\n");
    print_usage(stderr, word);
    return EXIT_USAGE;
}

static int run(struct cli *cli)
{
    for (size_t i = 0; i < COUNT_OF(SUBCOMMANDS); i++) {
        const struct subcommand *s = &SUBCOMMANDS[i];
        int words = match(s, cli->args, cli->n);
        if (words == 0)
            continue;
        cli->args += words;
        cli->n -= words;
        if (cli->n < s->min || cli->n > s->max)
            return usage_error(s->words);
        if ((cli->options & ~s->options) != 0)
            return cli_fail(EXIT_USAGE, "an option that `gatepost %s` does not take", s->words);
        return s->run(cli);
    }
    const char *word = cli->args[0];
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(SUBCOMMANDS); i++)
        known = known || strncmp(SUBCOMMANDS[i].words, word, strlen(word)) == 0;
    fprintf(stderr, "gatepost: no such command: %s%s%s\n", word, cli->n > 1 ? " " : "",
            cli->n > 1 ? cli->args[1] : "");
    return usage_error(known ? word : NULL);
}

int main(int argc, char **argv)
{
    enum { OPT_JSON = 256, OPT_PASSWORD_STDIN, OPT_ALL, OPT_HELP, OPT_VERSION };
    static const struct option OPTIONS[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, OPT_JSON},
        {"password-stdin", no_argument, NULL, OPT_PASSWORD_STDIN},
        {"all", no_argument, NULL, OPT_ALL},
        {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION},
        {NULL, 0, NULL, 0},
    };
    struct cli cli = {.settings_path = "/etc/gatepost/gatepost.conf"};
    int c = 0;
    while ((c = getopt_long(argc, argv, "c:h", OPTIONS, NULL)) != -1) {
        switch (c) {
        case 'c': cli.settings_path = optarg; break;
        case OPT_JSON: cli.options |= OPTION_JSON; break;
        case OPT_PASSWORD_STDIN: cli.options |= OPTION_PASSWORD_STDIN; break;
        case OPT_ALL: cli.options |= OPTION_ALL; break;
        case 'h':
        case OPT_HELP: return cli_help(&cli);
        case OPT_VERSION: return cli_version(&cli);
        default: return EXIT_USAGE;
        }
    }
    cli.args = argv + optind;
    cli.n = argc - optind;
    return cli.n > 0 ? run(&cli) : usage_error(NULL);
}
