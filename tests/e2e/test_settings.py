# SPDX-License-Identifier: MIT
"""The settings file: its mistakes are named by file and line; and `gatepost settings list|get|set|check`."""

import os
import signal
import stat
import subprocess
import unittest

from client import Client
from harness import BINARY, Case, poll


class Mistakes(Case):
    def test_a_wrong_file_stops_the_start(self):
        cases = {
            "limit.erors = 7": ("limit.erors", "limit.errors"),
            "tls.min_version = 1.4": ("tls.min_version",),
            "limit.errors = many": ("limit.errors",),
            "limit.errors = 0": ("limit.errors",),
            "message.max_size = 50Q": ("message.max_size",),
            "limit.command_wait = 5 fortnights": ("limit.command_wait",),
            "auth.sender_must_match = maybe": ("auth.sender_must_match",),
            "local.delivery = pigeon:/x": ("local.delivery",),
            "no equals sign": (),
            "= nothing": (),
        }
        for line, words in cases.items():
            with self.subTest(line):
                gate = self.server(start=False)
                gate.write_conf(extra="# a comment\n\n%s\n" % line)
                with open(gate.conf) as text:
                    number = text.read().splitlines().index(line) + 1
                for command in (["serve"], ["settings", "check"]):
                    done = gate.gatepost(*command, code=78)
                    shown = done.stderr + done.stdout
                    self.assertIn("%s:%d: " % (gate.conf, number), shown)
                    for word in words:
                        self.assertIn(word, shown)
                if len(words) > 1:
                    self.assertRegex(shown, "(?i)did you mean.*" + words[1])

    def test_all_mistakes_at_once(self):
        gate = self.server(start=False)
        gate.write_conf(extra="limit.erors = 7\nlimit.errors = x\n")
        shown = gate.gatepost("settings", "check", code=78)
        self.assertEqual((shown.stdout + shown.stderr).count(gate.conf + ":"), 2)

    def test_a_setting_twice(self):
        gate = self.server(start=False)
        gate.write_conf(extra="hostname = other.example.com\n")
        self.assertIn("hostname", "".join(map(str, gate.gatepost("settings", "check", code=78).__dict__.values())))

    def test_no_file(self):
        for command in (["serve"], ["settings", "check"], ["status"]):
            done = subprocess.run([BINARY, *command, "-c", "/nonexistent/gatepost.conf"], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn("/nonexistent/gatepost.conf", done.stderr)

    def test_missing_certificate(self):
        gate = self.server({"tls.certificate": "/nonexistent/a.crt"}, start=False)
        done = gate.gatepost("serve", code=78)
        self.assertIn("/nonexistent/a.crt", done.stderr + "\n".join(gate.log()))


class Commands(Case):
    def test_usage(self):
        for words in ([], ["bogus"], ["settings", "bogus"], ["queue", "bogus"], ["account", "add"], ["settings", "get"],
                      ["serve", "--bogus"], ["account", "add", "a@example.com", "password-as-argument"]):
            with self.subTest(words):
                done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 64, done.stdout + done.stderr)
                self.assertIn("gatepost", done.stderr)
        done = subprocess.run([BINARY, "--help"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0)
        for word in ("serve", "status", "settings", "account", "queue"):
            self.assertIn(word, done.stdout)

    def test_list_and_get(self):
        gate = self.server(start=False)
        rows = gate.json("settings", "list")
        self.assertEqual(list(rows), ["settings"])
        by_name = {row["name"]: row for row in rows["settings"]}
        self.assertEqual(by_name["hostname"]["value"], "mail.example.com")
        self.assertIn("limit.errors", by_name)
        self.assertEqual(gate.gatepost("settings", "get", "hostname").stdout, "mail.example.com\n")
        self.assertEqual(gate.gatepost("settings", "get", "limit.errors").stdout, "20\n")
        self.assertIn("mail.example.com", gate.gatepost("settings", "list").stdout)
        shown = gate.gatepost("settings", "get", "hostnam", code=None)
        self.assertIn(shown.returncode, (1, 64))
        self.assertIn("hostname", shown.stderr)

    def test_check(self):
        gate = self.server(start=False)
        gate.gatepost("settings", "check")

    def test_set_without_a_server(self):
        gate = self.server(start=False)
        gate.write_conf(extra="# a comment that stays\nlimit.errors = 7   # and one behind\n")
        os.chmod(gate.conf, 0o640)
        gate.gatepost("settings", "set", "limit.errors", "9")
        self.assertEqual(gate.gatepost("settings", "get", "limit.errors").stdout, "9\n")
        with open(gate.conf) as text:
            content = text.read()
        self.assertIn("# a comment that stays\n", content)
        self.assertIn("limit.errors = 9", content)
        self.assertEqual(stat.S_IMODE(os.stat(gate.conf).st_mode), 0o640)
        before = content
        for name, value in (("limit.errors", "many"), ("limit.erors", "5"), ("tls.min_version", "0.9")):
            done = gate.gatepost("settings", "set", name, value, code=None)
            self.assertIn(done.returncode, (64, 78), done.stderr)
            with open(gate.conf) as text:
                self.assertEqual(text.read(), before)

    def test_set_with_a_server(self):
        """A change is in force without a restart."""
        gate = self.server()
        gate.gatepost("settings", "set", "message.max_size", "20000")

        def size():
            with Client(gate.ports["smtp"]) as client:
                client.ehlo()
                return client.features["SIZE"] == ["20000"]
        self.assertTrue(poll(size, timeout=5))
        self.assertEqual(gate.gatepost("settings", "get", "message.max_size").stdout.strip(), "20000")
        with open(gate.conf) as text:
            self.assertIn("message.max_size = 20000", text.read())
        gate.signal(signal.SIGHUP)
        self.assertAlive(gate)


class NotInForce(Case):
    def test_what_governs_nothing_yet_is_said(self):
        gate = self.server({"guard.max_failures": "7"})
        self.assertTrue(poll(lambda: "guard.max_failures is set, but this version does not have what it governs" in "\n".join(gate.log())))
        self.assertNotIn("guard.window", "\n".join(gate.log()))


if __name__ == "__main__":
    unittest.main()
