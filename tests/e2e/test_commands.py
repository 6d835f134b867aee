# SPDX-License-Identifier: MIT
"""`gatepost status`, `queue` and `account`: with a server and without, for people and as JSON."""

import contextlib
import os
import pty
import select
import socket
import sqlite3
import subprocess
import time
import unittest

from client import submission
from harness import AS_ROOT, BINARY, DEMO, PASSWORD, Case, poll
from sink import Sink

TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"


class Status(Case):
    def test_status(self):
        gate = self.server()
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, DEMO, "Subject: x\n\nx\n").code, 250)
            gate.wait_mail()
            shown = gate.gatepost("status").stdout
            self.assertRegex(shown, r"(?i)connections?")
            self.assertRegex(shown, r"(?i)version|gatepost")
            self.assertTrue(gate.json("status"))

    def test_without_a_server(self):
        gate = self.server(start=False)
        done = gate.gatepost("status", code=69)
        self.assertNotEqual(done.stderr, "")

    @unittest.skipUnless(AS_ROOT, "needs another user")
    def test_the_socket_is_private(self):
        gate = self.server()
        done = subprocess.run(["setpriv", "--reuid=1", "--regid=1", "--clear-groups", BINARY, "status", "-c", gate.conf],
                              capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)

    def test_garbage_on_the_socket(self):
        gate = self.server()
        for data in (b"\0" * 100000, b"{" * 5000 + b"\n", b"\n\n\n", b'{"command":"bogus"}\n', b'{"command":5}\n', b"[]\n", b"\xff\xfe\n"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(5)
                sock.connect(gate.path("data/control.socket"))
                try:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(4096):
                        pass
                except OSError:
                    pass
        gate.gatepost("status")
        self.assertAlive(gate)


class Queue(Case):
    def held(self, **settings):
        gate = self.server({"courier.hold": "yes", "relay.smarthost": "127.0.0.1:9", "relay.tls": "none", **settings})
        with submission(gate, DEMO, PASSWORD) as client:
            for recipients in ([DEMO], ["b@example.net", "c@example.net"]):
                self.assertEqual(client.message(DEMO, recipients, "Subject: to %s\n\nx\n" % recipients[0]).code, 250)
        return gate

    def check_listing(self, gate):
        rows = gate.json("queue", "list")
        self.assertEqual(list(rows), ["messages"])
        first, second = rows["messages"]
        for row in (first, second):
            self.assertRegex(row["id"], r"^\w{6}-\w{6}-\w{2}$")
            self.assertEqual(row["sender"], DEMO)
            self.assertEqual(row["account"], DEMO)
            self.assertGreater(row["size"], 10)
            self.assertRegex(row["queued"], TIME)
        self.assertEqual([r["address"] for r in second["recipients"]], ["b@example.net", "c@example.net"])
        shown = gate.gatepost("queue", "list").stdout
        for text in (first["id"], second["id"], DEMO, "b@example.net"):
            self.assertIn(text, shown)
        shown = gate.gatepost("queue", "show", second["id"]).stdout
        self.assertIn("c@example.net", shown)
        self.assertEqual([row["id"] for row in gate.json("queue", "show", second["id"])["messages"]], [second["id"]])
        return first["id"], second["id"]

    def test_with_a_server(self):
        gate = self.held()
        first, second = self.check_listing(gate)
        gate.gatepost("queue", "remove", second)
        self.assertEqual([row["id"] for row in gate.json("queue", "list")["messages"]], [first])
        gate.gatepost("queue", "show", second, code=1)
        gate.gatepost("queue", "remove", second, code=1)
        gate.gatepost("queue", "show", "bogus", code=None)
        gate.gatepost("queue", "hold", first)
        self.assertEqual(gate.json("queue", "list")["messages"][0]["recipients"][0]["state"], "held")

    def test_without_a_server(self):
        gate = self.held()
        gate.stop()
        first, second = self.check_listing(gate)
        gate.gatepost("queue", "remove", first)
        self.assertEqual([row["id"] for row in gate.json("queue", "list")["messages"]], [second])
        if AS_ROOT:
            self.assertEqual({os.stat(gate.path("data/" + name)).st_uid for name in os.listdir(gate.path("data"))}, {65534})

    def test_an_empty_queue(self):
        gate = self.server()
        self.assertEqual(gate.json("queue", "list"), {"messages": []})
        self.assertEqual(gate.gatepost("queue", "list").stdout, "")

    def test_hold_and_retry(self):
        down = []
        sink = Sink(self, answers={"RCPT": lambda who: "450-4.2.1 first line\r\n450 4.2.1 mailbox of %s is busy" % who if not down
                                   else None})
        gate = self.server({"relay.smarthost": "127.0.0.1:%d" % sink.port, "relay.tls": "none"})
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, "b@example.net", "Subject: busy\n\nx\n").code, 250)
        self.assertCause(gate, "delivery-deferred", " == b@example.net ")
        row = gate.json("queue", "list")["messages"][0]
        recipient = row["recipients"][0]
        self.assertEqual((recipient["state"], recipient["attempts"]), ("waiting", 1))
        self.assertIn("450-4.2.1 first line\n450 4.2.1 mailbox of b@example.net is busy", recipient["last_answer"])
        shown = gate.gatepost("queue", "show", row["id"]).stdout
        self.assertIn("first line", shown)
        self.assertIn("mailbox of b@example.net is busy", shown)
        gate.gatepost("queue", "hold", row["id"])
        self.assertEqual(gate.json("queue", "list")["messages"][0]["recipients"][0]["state"], "held")
        down.append("no more")
        time.sleep(0.5)
        self.assertEqual(sink.messages, [], "held")
        gate.gatepost("queue", "retry", row["id"])
        self.assertEqual(sink.wait(1)[0].recipients, ["b@example.net"])
        self.assertTrue(poll(lambda: gate.json("queue", "list", code=None) == {"messages": []}))


class Account(Case):
    def login_code(self, gate, account, password):
        with submission(gate) as client:
            return client.plain(account, password).code

    def check(self, gate, running):
        gate.gatepost("account", "add", "new@example.com", "--password-stdin", stdin="first one\n")
        if running:
            self.assertEqual(self.login_code(gate, "new@example.com", "first one"), 235)
        done = gate.gatepost("account", "add", "new@example.com", "--password-stdin", stdin="x\n", code=None)
        self.assertNotIn(done.returncode, (0, 64))
        self.assertIn("new@example.com", done.stderr)
        for account, password in (("no-domain", "x"), ("a b@example.com", "x"), ("other@example.com", "")):
            done = gate.gatepost("account", "add", account, "--password-stdin", stdin=password + "\n", code=None)
            self.assertNotEqual(done.returncode, 0, account)
        gate.gatepost("account", "password", "New@Example.com", "--password-stdin", stdin="second one\n")
        if running:
            self.assertEqual(self.login_code(gate, "new@example.com", "first one"), 535)
            self.assertEqual(self.login_code(gate, "new@example.com", "second one"), 235)
        rows = gate.json("account", "list")
        self.assertEqual(list(rows), ["accounts"])
        self.assertEqual([row["address"] for row in rows["accounts"]], [DEMO, "new@example.com"])
        for row in rows["accounts"]:
            self.assertRegex(row["created"], TIME)
            self.assertRegex(row["password_changed"], TIME)
            self.assertNotIn("$y$", str(row), "no hashes in listings")
        gate.gatepost("account", "disable", "new@example.com")
        self.assertTrue([row["disabled"] for row in gate.json("account", "list")["accounts"]][1])
        if running:
            self.assertEqual(self.login_code(gate, "new@example.com", "second one"), 525)
        self.assertIn("new@example.com", gate.gatepost("account", "list").stdout)
        gate.gatepost("account", "remove", "new@example.com")
        gate.gatepost("account", "remove", "new@example.com", code=1)
        gate.gatepost("account", "password", "new@example.com", "--password-stdin", stdin="x\n", code=1)
        gate.gatepost("account", "disable", "new@example.com", code=1)
        if running:
            self.assertEqual(self.login_code(gate, "new@example.com", "second one"), 535)

    def test_with_a_server(self):
        self.check(self.server(), running=True)

    def test_without_a_server(self):
        gate = self.server(start=False)
        self.check(gate, running=False)
        gate.start()
        self.assertEqual(self.login_code(gate, DEMO, PASSWORD), 235)

    def test_hashes(self):
        """Stored by yescrypt; and what crypt(3) knows is verified."""
        gate = self.server(start=False)
        with contextlib.closing(sqlite3.connect(gate.path("data/accounts.db"))) as store:
            dump = "\n".join(store.iterdump())
        self.assertIn("$y$", dump)
        self.assertNotIn(PASSWORD, dump)

    def test_the_password_is_asked_on_a_terminal(self):
        gate = self.server(start=False)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BINARY, [BINARY, "account", "add", "typed@example.com", "-c", gate.conf], gate.environment())
        shown = b""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                more = os.read(terminal, 1000)
            except OSError:
                break
            if not more:
                break
            shown += more
            if shown.endswith(b": "):
                time.sleep(0.2)
                os.write(terminal, b"typed secret\n")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, shown)
        os.close(terminal)
        self.assertNotIn(b"typed secret", shown, "it is not shown")
        gate.start()
        self.assertEqual(self.login_code(gate, "typed@example.com", "typed secret"), 235)


if __name__ == "__main__":
    unittest.main()
