/* SPDX-License-Identifier: MIT */
/* gatepost account ... */
#include "cli/cli.h"

static int change(const struct cli *cli, const char *command, const char *done)
{
    json_t *data = NULL;
    int code = cli_ask(cli, command, json_pack("{s:s}", "address", cli->args[0]), &data);
    json_decref(data);
    if (code == EXIT_DONE)
        printf("%s: %s\n", cli->args[0], done);
    return code;
}

static int with_password(const struct cli *cli, const char *command, const char *done)
{
    struct buf password;
    int code = EXIT_USAGE;
    if (cli_password(cli, &password)) {
        json_t *data = NULL;
        json_t *args =
            json_pack("{s:s, s:s%}", "address", cli->args[0], "password", buf_str(&password), password.len);
        code = args != NULL ? cli_ask(cli, command, args, &data)
                            : cli_fail(EXIT_USAGE, "address and password must be UTF-8");
        json_decref(data);
        if (code == EXIT_DONE)
            printf("%s: %s\n", cli->args[0], done);
    }
    buf_cleanse(&password);
    return code;
}

int cli_account_add(const struct cli *cli)
{
    return with_password(cli, "account.add", "added");
}

int cli_account_password(const struct cli *cli)
{
    return with_password(cli, "account.password", "password changed");
}

int cli_account_remove(const struct cli *cli)
{
    return change(cli, "account.remove", "removed");
}

int cli_account_disable(const struct cli *cli)
{
    return change(cli, "account.disable", "disabled; mail for it is still received");
}

int cli_account_enable(const struct cli *cli)
{
    return change(cli, "account.enable", "enabled");
}

int cli_account_list(const struct cli *cli)
{
    json_t *data = NULL, *account = NULL;
    size_t i = 0;
    int code = cli_ask(cli, "account.list", NULL, &data);
    if (data != NULL && (cli->options & OPTION_JSON))
        cli_print_json(data);
    else
        json_array_foreach(json_object_get(data, "accounts"), i, account)
            printf("%-40s %-8s password of %.10s\n", cli_text(account, "address"),
                   json_is_true(json_object_get(account, "disabled")) ? "disabled" : "active",
                   cli_text(account, "password_changed"));
    json_decref(data);
    return code;
}
