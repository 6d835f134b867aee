# SPDX-License-Identifier: MIT
"""The time of an answer tells nothing; a changed password is told from a wrong one in the log only; verified logins are remembered."""

import contextlib
import ctypes
import sqlite3
import threading
import time
import unittest

from client import Client, b64, submission
from harness import DEMO, PASSWORD, Case, poll


def make_hash(password, kind, rounds=0):
    """A hash by the system's crypt(3); kind is its prefix ("$6$")."""
    library = ctypes.CDLL("libcrypt.so.1")
    for function in (library.crypt_gensalt, library.crypt):
        function.restype = ctypes.c_char_p
    salt = library.crypt_gensalt(kind.encode(), ctypes.c_ulong(rounds), None, 0)
    return library.crypt(password.encode(), salt).decode()


class LoginTime(Case):
    def timed(self, gate, account, password, way="plain"):
        with submission(gate) as client:
            began = time.monotonic()
            reply = getattr(client, way)(account, password)
            return reply, time.monotonic() - began

    def set_hash(self, gate, account, text):
        """Puts a hash that other software made into the store (the server is not running)."""
        with contextlib.closing(sqlite3.connect(gate.path("data/accounts.db"))) as store, store:
            self.assertEqual(store.execute("UPDATE accounts SET hash = ? WHERE address = ?", (text, account)).rowcount, 1)

    def test_failures_take_the_same_time(self):
        """Known and unknown accounts, a present and an earlier password, cheap and dear hashes: all at the fixed time."""
        gate = self.server({"auth.failure_delay": "2s"}, accounts=(DEMO, "cheap@example.com", "changed@example.com"), start=False)
        gate.gatepost("account", "password", "changed@example.com", "--password-stdin", stdin="the new one\n")
        self.set_hash(gate, "cheap@example.com", make_hash("cheap secret", "$1$"))
        gate.start()
        cases = {"known": (DEMO, "wrong"), "unknown": ("no-such@example.com", "wrong"), "md5": ("cheap@example.com", "wrong"),
                 "stale": ("changed@example.com", PASSWORD), "no domain": ("x", "wrong"), "long": ("x" * 300 + "@example.com", "w"),
                 "empty": (DEMO, " ")}
        for way in ("plain", "login"):
            times = {}
            threads = []
            for name, (account, password) in cases.items():
                def run(name=name, account=account, password=password):
                    reply, seconds = self.timed(gate, account, password, way)
                    times[name] = (str(reply), seconds)
                threads.append(threading.Thread(target=run))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual({reply for reply, _ in times.values()}, {"535 5.7.8 Incorrect authentication data"}, times)
            for name, (_, seconds) in times.items():
                self.assertTrue(1.95 < seconds < 2.6, "%s %s: %.3f s" % (way, name, seconds))

    def test_an_earlier_password(self):
        gate = self.server()
        self.assertEqual(self.timed(gate, DEMO, PASSWORD)[0].code, 235)
        passwords = [PASSWORD, "second", "third", "fourth"]
        for password in passwords[1:]:
            gate.gatepost("account", "password", DEMO, "--password-stdin", stdin=password + "\n")
        self.assertEqual(self.timed(gate, DEMO, "fourth")[0].code, 235)
        for count, password in enumerate(("second", "third"), 1):
            reply = self.timed(gate, DEMO, password)[0]
            self.assertEqual(str(reply), "535 5.7.8 Incorrect authentication data", "to the client it is a wrong one")
            self.assertCause(gate, "auth-stale-password", r'authenticator failed .*535 Incorrect authentication data.* '
                                                          r'\(set_id="demo@example\.com"\)', count=count)
        for password in (PASSWORD, "never"):
            self.assertEqual(self.timed(gate, DEMO, password)[0].code, 535)
        self.assertCause(gate, "auth-wrong", count=2)
        self.assertEqual(sum("auth-stale-password" in line for line in gate.log()), 2, "only the last two are kept")
        self.assertEqual(gate.json("account", "list")["accounts"][0]["old_passwords"], 2)

    def test_a_cached_login_ends_with_its_password(self):
        gate = self.server({"auth.cache": "1h"})
        for _ in range(3):
            self.assertEqual(self.timed(gate, DEMO, PASSWORD)[0].code, 235)
        gate.gatepost("account", "password", DEMO, "--password-stdin", stdin="another\n")
        self.assertEqual(self.timed(gate, DEMO, PASSWORD)[0].code, 535)
        self.assertEqual(self.timed(gate, DEMO, "another")[0].code, 235)
        gate.gatepost("account", "disable", DEMO)
        self.assertEqual(self.timed(gate, DEMO, "another")[0].code, 525)
        gate.gatepost("account", "remove", DEMO)
        self.assertEqual(self.timed(gate, DEMO, "another")[0].code, 535)

    def test_the_cache_spares_the_hash(self):
        gate = self.server({"auth.cache": "1h"}, start=False)
        self.set_hash(gate, DEMO, make_hash(PASSWORD, "$6$", 400000))
        gate.start()
        first = self.timed(gate, DEMO, PASSWORD)
        self.assertEqual(first[0].code, 235)
        again = min(self.timed(gate, DEMO, PASSWORD)[1] for _ in range(5))
        self.assertLess(again, first[1] / 3)

    def test_what_crypt_knows_is_verified(self):
        kinds = ["$1$", "$2b$", "$5$", "$6$", "$gy$", "$y$", "$7$"]
        accounts = tuple("a%d@example.com" % number for number in range(len(kinds)))
        gate = self.server(accounts=accounts, start=False)
        for account, kind in zip(accounts, kinds):
            self.set_hash(gate, account, make_hash("secret of " + kind, kind))
        gate.start()
        for account, kind in zip(accounts, kinds):
            with self.subTest(kind):
                self.assertEqual(self.timed(gate, account, "secret of " + kind)[0].code, 235)
                self.assertEqual(self.timed(gate, account, "secret of " + kind + " ")[0].code, 535)

    def test_hashes_never_hold_up_a_loop(self):
        """While logins wait for dear hashes, another client gets its mail through; a good login is not held to the fixed time."""
        gate = self.server({"loops": "1", "auth.cache": "0s"}, accounts=(DEMO, "slow@example.com"), start=False)
        self.set_hash(gate, "slow@example.com", make_hash("x", "$6$", 999999))
        gate.start()
        slow = []
        for _ in range(8):
            client = submission(gate)
            self.addCleanup(client.close)
            client.send("AUTH PLAIN " + b64("\0slow@example.com\0wrong") + "\r\n")
            slow.append(client)
        began = time.monotonic()
        self.assertAlive(gate)
        self.assertLess(time.monotonic() - began, 0.5)
        for client in slow:
            self.assertEqual(client.reply().code, 535)

    def test_a_full_queue_of_logins(self):
        gate = self.server({"limit.auth_queue": "2", "auth.verifiers": "1", "auth.cache": "0s"}, start=False)
        self.set_hash(gate, DEMO, make_hash(PASSWORD, "$6$", 999999))
        gate.start()
        clients = [submission(gate) for _ in range(12)]
        for client in clients:
            self.addCleanup(client.close)
            client.send("AUTH PLAIN " + b64("\0%s\0%s" % (DEMO, PASSWORD)) + "\r\n")
        replies = [client.reply() for client in clients]
        busy = [reply for reply in replies if reply.code == 454]
        self.assertTrue(busy)
        self.assertFirst(busy[0], "454 4.7.0 Temporary authentication failure: too many logins are waiting")
        self.assertIn(235, [reply.code for reply in replies])
        self.assertCause(gate, "auth-busy")

    def test_a_broken_store(self):
        """Nobody's password is wrong because our disk is; and once it is mended, the server goes on by itself."""
        gate = self.server({"auth.cache": "0s"})
        path = gate.path("data/accounts.db")
        with open(path, "rb") as file:
            content = file.read()
        self.overwrite(path, b"\xde\xad\xbe\xef" * (len(content) // 4))
        reply = self.timed(gate, DEMO, PASSWORD)[0]
        self.assertFirst(reply, "454 4.7.0 Temporary authentication failure")
        self.assertFirst(self.timed(gate, DEMO, "wrong")[0], "454 4.7.0 Temporary authentication failure")
        self.assertCause(gate, "auth-unavailable", count=2)
        with Client(gate.ports["smtp"]) as client:
            client.ehlo()
            client.cmd("MAIL FROM:<a@example.org>")
            self.assertEqual(client.cmd("RCPT TO:<%s>" % DEMO).code, 250, "known before")
            self.assertFirst(client.cmd("RCPT TO:<perhaps@example.com>"), "451 4.3.0 Temporary local problem - please try later")
        self.assertIn("accounts.db", gate.json("status")["logins"]["store"])
        self.overwrite(path, content)
        self.assertTrue(poll(lambda: self.timed(gate, DEMO, PASSWORD)[0].code == 235))

    @staticmethod
    def overwrite(path, content):
        with open(path, "r+b") as file:
            file.write(content)


if __name__ == "__main__":
    unittest.main()
