/* SPDX-License-Identifier: MIT */
/* gatepost settings ... */
#include "cli/cli.h"

enum { VALUE_MAX = 1 << 20 };

static json_t *setting_json(const struct settings *settings, const struct settings *defaults, size_t i)
{
    struct buf value = BUF_INIT(VALUE_MAX), fallback = BUF_INIT(VALUE_MAX);
    settings_value(settings, i, &value);
    settings_value(defaults, i, &fallback);
    const struct setting_info *info = settings_info(i);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "name", info->name, "value", buf_str(&value),
                             "default", buf_str(&fallback), "type", info->kind, "restart",
                             info->when == WHEN_RESTART, "text", info->text);
    buf_free(&value);
    buf_free(&fallback);
    return json;
}

static void print_setting(const struct settings *settings, size_t i)
{
    struct buf value = BUF_INIT(VALUE_MAX);
    settings_value(settings, i, &value);
    printf("%s = %s\n", settings_info(i)->name, buf_str(&value));
    buf_free(&value);
}

/* All rows, or only row `only` when it is not -1. */
static int list(const struct cli *cli, int only)
{
    const struct settings *settings = cli_settings(cli);
    if (settings == NULL)
        return EXIT_SETTINGS;
    const struct settings *defaults = settings_defaults();
    json_t *rows = json_array();
    for (size_t i = 0; i < settings_count(); i++) {
        if (only >= 0 && i != (size_t)only)
            continue;
        if (cli->options & OPTION_JSON)
            json_array_append_new(rows, setting_json(settings, defaults, i));
        else
            print_setting(settings, i);
    }
    json_t *data = json_pack("{s:o}", "settings", rows);
    if (cli->options & OPTION_JSON)
        cli_print_json(data);
    json_decref(data);
    settings_release(&defaults);
    settings_release(&settings);
    return EXIT_DONE;
}

/* Row of a name, or -1 after saying that there is none. */
static int find(const char *name)
{
    const char *near = NULL;
    int i = settings_find(name, &near);
    if (i < 0)
        cli_fail(EXIT_NOTHING, "no setting %s%s%s%s", name, near != NULL ? " (did you mean " : "",
                 near != NULL ? near : "", near != NULL ? "?)" : "");
    return i;
}

int cli_settings_list(const struct cli *cli)
{
    return list(cli, -1);
}

int cli_settings_get(const struct cli *cli)
{
    int i = find(cli->args[0]);
    if (i < 0)
        return EXIT_NOTHING;
    if (cli->options & OPTION_JSON)
        return list(cli, i);
    const struct settings *settings = cli_settings(cli);
    if (settings == NULL)
        return EXIT_SETTINGS;
    struct buf value = BUF_INIT(VALUE_MAX);
    settings_value(settings, (size_t)i, &value);
    printf("%s\n", buf_str(&value));
    buf_free(&value);
    settings_release(&settings);
    return EXIT_DONE;
}

static int set(const struct cli *cli, const char *value)
{
    static const char *const IN_FORCE[] = {
        [WHEN_RELOAD] = "in force",
        [WHEN_RESTART] = "in force after a restart",
        [WHEN_LATER] = "but this version does not have what it governs",
    };
    const char *name = cli->args[0];
    int i = find(name);
    if (i < 0)
        return EXIT_USAGE;
    struct buf error = BUF_INIT(65536);
    const struct settings *before =
        settings_load(cli->settings_path, &error); /* where the running server listens */
    buf_clear(&error);
    int r = settings_file_set(cli->settings_path, name, value, &error);
    if (r != 0)
        fprintf(stderr, "%s\n", buf_str(&error));
    else if (before == NULL || cli_ask_server(before, "reload") != EXIT_DONE)
        printf("%s: saved; no server is running\n", name);
    else
        printf("%s: saved, %s\n", name, IN_FORCE[settings_info((size_t)i)->when]);
    settings_release(&before);
    buf_free(&error);
    return r == 0 ? EXIT_DONE : EXIT_SETTINGS;
}

int cli_settings_set(const struct cli *cli)
{
    return set(cli, cli->args[1]);
}

int cli_settings_unset(const struct cli *cli)
{
    return set(cli, NULL);
}

int cli_settings_check(const struct cli *cli)
{
    const struct settings *settings = cli_settings(cli);
    if (settings == NULL)
        return EXIT_SETTINGS;
    printf("%s: fine\n", cli->settings_path);
    settings_release(&settings);
    return EXIT_DONE;
}

static int print_text(void (*make)(struct buf *out))
{
    struct buf text = BUF_INIT(VALUE_MAX);
    make(&text);
    fputs(buf_str(&text), stdout);
    buf_free(&text);
    return EXIT_DONE;
}

int cli_settings_sample(const struct cli *cli)
{
    (void)cli;
    return print_text(settings_sample);
}

int cli_settings_manual(const struct cli *cli)
{
    (void)cli;
    return print_text(settings_manual);
}
