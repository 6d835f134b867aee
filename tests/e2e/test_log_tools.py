# SPDX-License-Identifier: MIT
"""Tools that administrators have read our log as Exim's: Debian's fail2ban-regex with its exim filter, exigrep and eximstats."""

import re
import subprocess
import unittest

from client import Client, submission
from harness import DEMO, PASSWORD, Shared

FILTER = "/etc/fail2ban/filter.d/exim.conf"


class LogTools(Shared):
    def run_tool(self, *command, code=0):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def test_fail2ban(self):
        accounts = [DEMO, DEMO + " ", "no-one@example.com", 'odd"name', "new\nline", "(brackets)", "cause=x) (y", "x" * 200, "ü@example.com"]
        for account in accounts:
            for way in ("plain", "login"):
                with submission(self.gate) as client:
                    self.assertEqual(getattr(client, way)(account, "wrong").code, 535)
        with submission(self.gate, name="name-without-brackets") as client:
            client.plain(DEMO, PASSWORD)
            client.message(DEMO, DEMO, "Subject: x\n\nx\n")
            client.cmd("MAIL FROM:<%s>" % DEMO)
            client.cmd("RCPT TO:<nobody-there@example.com>")
        self.gate.wait_log(r"cause=auth-wrong", count=2 * len(accounts))
        self.gate.wait_log(r"cause=recipient-unknown")
        shown = self.run_tool("fail2ban-regex", "--print-all-matched", self.gate.log_file, FILTER)
        total, matched = map(int, re.search(r"Lines: (\d+) lines, \d+ ignored, (\d+) matched", shown).groups())
        self.assertEqual(total, len(self.gate.log()))
        failed = [line for line in self.gate.log() if "authenticator failed" in line]
        self.assertEqual(len(failed), 2 * len(accounts))
        for line in failed:
            self.assertIn(line, shown)
        self.assertGreaterEqual(matched, len(failed))
        shown = self.run_tool("fail2ban-regex", "-o", "ip", self.gate.log_file, FILTER)
        self.assertEqual(set(shown.split()), {"127.0.0.1"})

    def test_exigrep_and_eximstats(self):
        ids = []
        with submission(self.gate, DEMO, PASSWORD) as client:
            for number in range(3):
                reply = client.message(DEMO, DEMO, "Subject: needle-%d\n\nx\n" % number)
                ids.append(re.search("id=(.*)", reply.first)[1])
        for name in ids:
            self.gate.wait_log(name + " Completed")
        shown = self.run_tool("exigrep", "needle-1", self.gate.log_file)
        lines = [line for line in shown.splitlines() if line.strip()]
        self.assertEqual(len(lines), 3, shown)
        for line, mark in zip(lines, (" <= ", " => ", " Completed")):
            self.assertIn(" %s%s" % (ids[1], mark), line)
        shown = self.run_tool("exigrep", "-M", "needle-2", self.gate.log_file)
        self.assertIn(ids[2] + " Completed", shown)
        shown = self.run_tool("eximstats", "-nr", "-ne", self.gate.log_file)
        received = re.search(r"(?m)^\s*Received\s+\S+\s+(\d+)", shown)
        self.assertEqual(int(received[1]), len([line for line in self.gate.log() if " <= " in line]), shown)

    def test_every_line_is_one_event(self):
        """Nothing that a client says makes a line of its own."""
        with Client(self.gate.ports["smtp"]) as client:
            client.cmd("EHLO a\tb")
            client.ehlo('x"y\\z')
            client.cmd("MAIL FROM:<a\x7fb@example.org>")
            client.cmd("VRFY \x1b[31mred")
            client.cmd("MAIL FROM:<a@example.org>")
            client.cmd("RCPT TO:<\x01@example.net>")
            client.cmd("RCPT TO:<b@example.net>")
        self.assertCause(self.gate, "relay-no-login")
        for line in self.gate.log():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
            self.assertNotRegex(line, r"[\x00-\x1f\x7f]")


if __name__ == "__main__":
    unittest.main()
