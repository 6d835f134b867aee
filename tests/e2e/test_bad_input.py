# SPDX-License-Identifier: MIT
"""Anything malformed gets a reply with the right code, ends nothing but its own connection, and never reaches the queue."""

import os
import random
import socket
import struct
import threading
import time
import unittest

from client import Client, any_tls, submission
from harness import DEMO, LISTENERS, PASSWORD, Shared

VERBS = ["EHLO x", "HELO x", "MAIL FROM:<a@example.org>", "MAIL FROM:<>", "RCPT TO:<%s>" % DEMO, "RCPT TO:<x@example.net>", "DATA", ".", "RSET",
         "NOOP", "VRFY x", "HELP", "QUIT", "STARTTLS", "AUTH PLAIN", "AUTH LOGIN", "*", "BDAT 5 LAST", "AAAA", "Subject: x", ""]


class BadInput(Shared):
    configuration = {"limit.login_wait": "10s", "limit.data_wait": "5s", "tls.silence": "2s", "courier.hold": "yes",
                     "limit.connections_per_address": "1000"}

    def tearDown(self):
        self.assertAlive(self.gate)
        self.assertEqual(self.gate.json("queue", "list"), {"messages": []})

    def throw(self, listener, data, tls=False):
        """Sends bytes, takes what comes, and goes."""
        try:
            sock = socket.create_connection(("127.0.0.1", self.gate.ports[listener]), timeout=20)
            if tls:
                sock = any_tls().wrap_socket(sock)
            with sock:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                found = b""
                while len(found) < 1000000:
                    more = sock.recv(65536)
                    if not more:
                        break
                    found += more
                return found
        except OSError:
            return b""

    def test_garbage(self):
        chance = random.Random(1)
        pieces = [b"\0" * 10000, b"\xff" * 10000, b"\r" * 5000, b"\n" * 5000, b"\r\n" * 5000, bytes(range(256)) * 50, b"A" * 1000000,
                  b"\x16\x03\x01", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x80\x2e\x01\x03\x01", b"GET /", b"EHLO", b" \r\n", b"\t\r\n"]
        pieces += [chance.randbytes(chance.randrange(1, 3000)) for _ in range(40)]
        threads = [threading.Thread(target=self.throw, args=(listener, piece, tls)) for piece in pieces for listener in LISTENERS
                   for tls in ({False} if listener != "submissions" else {False, True})]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def test_commands_in_any_order(self):
        chance = random.Random(2)
        for _ in range(60):
            lines = [chance.choice(VERBS[:-1]) for _ in range(chance.randrange(1, 25))]
            if "DATA" in lines and "." in lines[lines.index("DATA") :]:
                lines[lines.index("DATA")] = "NOOP"
            found = self.throw("smtp", ("\r\n".join(lines) + "\r\n").encode())
            for line in found.split(b"\r\n")[:-1]:
                if line.startswith(b"\x15\x03"):
                    break  # after STARTTLS: a TLS alert
                self.assertRegex(line, rb"^[2345]\d\d[ -]")

    def test_bytes_that_do_not_belong_in_commands(self):
        with Client(self.gate.ports["smtp"]) as client:
            client.ehlo()
            for line in (b"MAIL FROM:<a\0b@example.org>", b"MAIL FROM:<\xc3\xbc@example.org>", b"RCPT TO:<\xff@example.com>", b"NO\0OP",
                         b"\xe2\x80\x8bNOOP", b"MAIL FROM:<a@example.org> SIZE=\0", b"MAIL\tFROM:<a@b>\t", b"NOOP\r"):
                client.send(line + b"\r\n")
                reply = client.reply()
                self.assertIn(reply.code // 100, (2, 5), line)
                self.assertNotEqual(reply.code, 354)
                client.cmd("RSET")

    def test_clients_that_vanish(self):
        """At every step of a session, by a reset in place of a close."""
        steps = ["EHLO x", "STARTTLS", "EHLO x", "AUTH", "MAIL FROM:<%s>" % DEMO, "RCPT TO:<%s>" % DEMO, "DATA", "Subject: x", "", "body"]
        for last in range(len(steps)):
            client = Client(self.gate.ports["submission"])
            for step in steps[: last + 1]:
                if step == "STARTTLS":
                    client.starttls()
                elif step == "AUTH":
                    self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
                elif step[:4] in ("EHLO", "MAIL", "RCPT", "DATA"):
                    client.cmd(step)
                else:
                    client.send(step + "\r\n")
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

    def test_an_address_list(self):
        good = ["a@b", "a.b+c@example.org", '"quoted string"@example.org', '"a\\"b"@example.org', "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
                "@x.example,@y.example:a@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"]
        bad = ["a@", "@a", "a@b@c", "a b@c", "a@b c", "a..b@c", ".a@c", "a.@c", "a@-c", "a@c-", "a@[300.1.1.1]", "a@[", '"a@b', "a" * 65 + "@b",
               "a@" + "b" * 64 + ".example", "a@" + "b." * 130 + "c", "<a@b>", "a@b,c@d", "a@\x01"]
        with submission(self.gate) as client:
            client.quit()
        client = None
        for text, codes in [(text, (250,)) for text in good] + [(text, (501,)) for text in bad]:
            with self.subTest(text[:40]), Client(self.gate.ports["smtp"]) as client:
                client.ehlo()
                reply = client.cmd("MAIL FROM:<%s>" % text)
                self.assertIn(reply.code, codes, str(reply))

    def test_many_connections_that_say_nothing(self):
        socks = [socket.create_connection(("127.0.0.1", self.gate.ports[chance]), timeout=10) for chance in LISTENERS * 60]
        self.assertAlive(self.gate)
        for sock in socks:
            sock.close()

    def test_replies_to_a_flood_are_in_order(self):
        with Client(self.gate.ports["smtp"]) as client:
            client.ehlo()
            client.send(b"".join(b"NOOP\r\n" if number % 2 else b"VRFY x\r\n" for number in range(90)))
            self.assertEqual([client.reply().code for _ in range(90)], [252, 250] * 45)

    def test_nothing_leaks(self):
        """Descriptors after much of the above are what they were."""
        def count():
            return len(os.listdir("/proc/%d/fd" % self.gate.worker()))
        self.throw("smtp", b"QUIT\r\n")
        before = count()
        for number in range(150):
            self.throw(LISTENERS[number % 3], b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\nhalf" % DEMO.encode())

        for _ in range(100):
            if count() <= before + 2:
                break
            time.sleep(0.2)
        self.assertLessEqual(count(), before + 2)


if __name__ == "__main__":
    unittest.main()
