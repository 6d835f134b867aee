# SPDX-License-Identifier: MIT
"""Every limit, with its own reply and its own cause, and what goes on after it."""

import socket
import time
import unittest

from client import Client, any_tls, submission
from harness import DEMO, PASSWORD, Case

HOST = "mail.example.com"


def closed(sock):
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


class Limits(Case):
    def gate_with(self, **limits):
        return self.server({"limit." + name: str(value) for name, value in limits.items()})

    def client(self, gate, listener="smtp", ehlo=True):
        client = Client(gate.ports[listener])
        self.addCleanup(client.close)
        if ehlo:
            client.ehlo()
        return client

    def assertClosed(self, client, reply, text):
        self.assertFirst(reply, text)
        self.assertTrue(client.at_end(), "the connection is closed")

    # ---- connections ----

    def test_connections(self):
        gate = self.gate_with(connections=3)
        first = [self.client(gate) for _ in range(3)]
        refused = self.client(gate, ehlo=False)
        self.assertClosed(refused, refused.greeting, "421 %s Too many concurrent SMTP connections; please try again later" % HOST)
        self.assertCause(gate, "limit-connections")
        first[0].quit()
        self.assertTrue(self.again(gate), "there is room again")

    def test_connections_per_address(self):
        gate = self.gate_with(connections_per_address=2)
        first = [self.client(gate) for _ in range(2)]
        refused = self.client(gate, "submission", ehlo=False)
        self.assertClosed(refused, refused.greeting,
                          "421 %s Too many concurrent SMTP connections from this IP address; please try again later" % HOST)
        self.assertCause(gate, "limit-connections-per-address")
        with Client(gate.ports["smtp"], source="127.0.0.2") as other:
            self.assertEqual(other.ehlo().code, 250, "another address")
        first[0].quit()
        self.assertTrue(self.again(gate), "there is room again")

    def again(self, gate):
        for _ in range(50):
            with Client(gate.ports["smtp"]) as client:
                if client.greeting.code == 220:
                    return True
            time.sleep(0.1)
        return False

    # ---- a session's commands ----

    def test_errors(self):
        gate = self.gate_with(errors=5)
        client = self.client(gate)
        codes = []
        while len(codes) < 20 and codes[-1:] != [421]:
            client.send("BOGUS\r\n")
            reply = client.reply()
            codes.append(reply.code)
        self.assertEqual(codes[:4], [500] * 4)
        self.assertClosed(client, reply, "421 4.7.0 %s Too many syntax or protocol errors - closing connection" % HOST)
        self.assertLessEqual(len(codes), 7)
        self.assertCause(gate, "too-many-errors")

    def test_idle_commands(self):
        gate = self.gate_with(idle_commands=10)
        client = self.client(gate)
        codes = []
        while len(codes) < 30 and codes[-1:] != [421]:
            reply = client.cmd(("NOOP", "RSET", "VRFY x", "HELP")[len(codes) % 4])
            codes.append(reply.code)
        self.assertClosed(client, reply, "421 4.7.0 %s Too many nonmail commands - closing connection" % HOST)
        self.assertTrue(9 <= len(codes) <= 12, codes)
        self.assertCause(gate, "too-many-idle-commands")

    def test_messages(self):
        gate = self.gate_with(messages=3)
        client = self.client(gate)
        for number in range(3):
            self.assertEqual(client.message("a@example.org", DEMO, "Subject: %d\n\nx\n" % number).code, 250)
        reply = client.cmd("MAIL FROM:<a@example.org>")
        self.assertClosed(client, reply, "421 4.7.0 %s Too many messages in this connection - please connect again" % HOST)
        self.assertCause(gate, "too-many-messages")

    def test_recipients(self):
        gate = self.server({"limit.recipients": "100", "relay.smarthost": "127.0.0.1:9", "courier.hold": "yes"})
        client = submission(gate, DEMO, PASSWORD)
        self.addCleanup(client.close)
        client.cmd("MAIL FROM:<%s>" % DEMO)
        for number in range(100):
            self.assertEqual(client.cmd("RCPT TO:<p%d@example.net>" % number).code, 250)
        self.assertFirst(client.cmd("RCPT TO:<p100@example.net>"), "452 4.5.3 Too many recipients")
        self.assertCause(gate, "too-many-recipients")
        self.assertEqual(client.data(b"Subject: to a hundred\r\n\r\nx\r\n.\r\n").code, 250, "for those that were taken")
        self.assertEqual([len(message["recipients"]) for message in gate.json("queue", "list")["messages"]], [100])

    def test_command_line(self):
        gate = self.gate_with(command_line=512)
        client = self.client(gate)
        self.assertEqual(client.cmd("NOOP " + "x" * 505).code, 250)
        for size in (506, 600, 5000, 200000):
            with self.subTest(size):
                self.assertFirst(client.cmd("NOOP " + "x" * size), "500 5.5.2 Line too long")
                self.assertEqual(client.cmd("NOOP").code, 250, "the rest of the line is no command")
        self.assertCause(gate, "command-line-too-long")

    # ---- a message ----

    def test_message_size(self):
        gate = self.server({"message.max_size": "10000"})
        client = submission(gate, DEMO, PASSWORD)
        self.addCleanup(client.close)
        self.assertEqual(client.features["SIZE"], ["10000"])
        self.assertFirst(client.cmd("MAIL FROM:<%s> SIZE=10001" % DEMO), "552 5.3.4 Message size exceeds maximum permitted")
        self.assertEqual(client.cmd("MAIL FROM:<%s> SIZE=9000" % DEMO).code, 250)
        client.cmd("RSET")
        reply = client.message(DEMO, DEMO, b"Subject: large\n\n" + (b"x" * 70 + b"\n") * 150)
        self.assertFirst(reply, "552 5.3.4 Message size exceeds maximum permitted")
        self.assertEqual(client.message(DEMO, DEMO, b"Subject: small\n\n" + (b"x" * 70 + b"\n") * 100).code, 250)
        reply = client.message(DEMO, DEMO, b"Subject: endless\n\n" + (b"x" * 70 + b"\n") * 5000)
        self.assertClosed(client, reply, "552 5.3.4 Message size exceeds maximum permitted")
        self.assertCause(gate, "message-too-large", count=3)

    def test_text_line(self):
        gate = self.gate_with(text_line=1000)
        client = submission(gate, DEMO, PASSWORD)
        self.addCleanup(client.close)
        self.assertEqual(client.message(DEMO, DEMO, "Subject: just so\n\n" + "x" * 998 + "\n").code, 250)
        for text in ("Subject: x\n\n" + "x" * 1001 + "\n", "Subject: " + "x" * 1001 + "\n\nx\n", "Subject: x\n\n" + "x" * 500000 + "\n"):
            self.assertFirst(client.message(DEMO, DEMO, text), "500 5.6.0 Line too long")
            self.assertEqual(client.cmd("NOOP").code, 250)
        self.assertCause(gate, "line-too-long")

    def test_header(self):
        gate = self.gate_with(header=4096)
        client = submission(gate, DEMO, PASSWORD)
        self.addCleanup(client.close)
        self.assertEqual(client.message(DEMO, DEMO, "X-Fill: y\n" * 300 + "\nx\n").code, 250)
        for fields in ("X-Fill: y\n" * 600, "X-Fill: y\n" + " folded\n" * 600):
            self.assertFirst(client.message(DEMO, DEMO, fields + "\nx\n"), "552 5.3.4 Message header size exceeds maximum permitted")
        self.assertCause(gate, "header-too-large")

    def test_received(self):
        gate = self.server()
        client = self.client(gate)
        line = "Received: from a by b; Tue, 24 Nov 2026 21:57:52 +0000\n"
        self.assertEqual(client.message("a@example.org", DEMO, line * 50 + "Subject: fifty\n\nx\n").code, 250)
        self.assertEqual(client.message("a@example.org", DEMO, line + "Subject: in the body\n\n" + line * 60).code, 250)
        self.assertFirst(client.message("a@example.org", DEMO, line * 51 + "Subject: more\n\nx\n"),
                         '554 5.4.6 Too many "Received" headers - suspected mail loop')
        self.assertCause(gate, "mail-loop")

    # ---- waits ----

    def test_command_wait(self):
        gate = self.gate_with(command_wait="1s", login_wait="1s")
        client = self.client(gate)
        self.assertClosed(client, client.reply(), "421 4.4.2 %s SMTP command timeout - closing connection" % HOST)
        self.assertCause(gate, "command-timeout", r"SMTP command timeout on connection from \(laptop\) \[127\.0\.0\.1\]:\d+")
        client = self.client(gate, ehlo=False)
        reply = client.reply()
        self.assertEqual(reply.code, 421)

    def test_half_a_line_is_no_command(self):
        gate = self.gate_with(command_wait="2s")
        client = self.client(gate)
        began = time.monotonic()
        for _ in range(12):
            try:
                client.send("N")
            except OSError:
                break
            if not client.is_silent(0.4):
                break
        self.assertEqual(client.reply().code, 421)
        self.assertLess(time.monotonic() - began, 4, "drops of bytes do not lengthen the wait")

    def test_login_wait(self):
        gate = self.gate_with(login_wait="1s")
        client = self.client(gate, "submission")
        self.assertClosed(client, client.reply(), "421 4.4.2 %s SMTP command timeout - closing connection" % HOST)
        client = submission(gate)
        self.addCleanup(client.close)
        self.assertEqual(client.cmd("AUTH LOGIN").code, 334)
        self.assertClosed(client, client.reply(), "421 4.4.2 %s No login in time - closing connection" % HOST)
        self.assertCause(gate, "login-timeout")
        other = submission(gate, DEMO, PASSWORD)
        self.addCleanup(other.close)
        time.sleep(1.5)
        self.assertEqual(other.cmd("NOOP").code, 250, "after the login there is time")

    def test_handshake_wait(self):
        gate = self.gate_with(login_wait="1s")
        client = self.client(gate, "submission")
        self.assertEqual(client.cmd("STARTTLS").code, 220)
        self.assertTrue(client.at_end())
        self.assertCause(gate, "tls-timeout")
        with socket.create_connection(("127.0.0.1", gate.ports["submissions"]), timeout=20) as sock:
            sock.sendall(b"\x16\x03\x01\x02\x00")
            self.assertTrue(closed(sock))
        self.assertCause(gate, "tls-timeout", count=2)

    def test_data_wait(self):
        gate = self.gate_with(data_wait="1s")
        client = self.client(gate)
        client.envelope("a@example.org", DEMO)
        client.cmd("DATA")
        client.send("Subject: stuck\r\n")
        self.assertClosed(client, client.reply(), "421 4.4.2 %s SMTP incoming data timeout - closing connection" % HOST)
        self.assertCause(gate, "data-timeout")
        self.assertEqual(gate.json("queue", "list"), {"messages": []})

    # ---- others are not disturbed ----

    def test_a_slow_reader(self):
        """A client that never reads its replies is let go, and nobody waits for it."""
        gate = self.gate_with(command_wait="2s", idle_commands=10000)
        sock = socket.create_connection(("127.0.0.1", gate.ports["smtp"]), timeout=10)
        self.addCleanup(sock.close)
        sock.settimeout(3)
        try:
            for _ in range(300):
                sock.sendall(b"HELP\r\n" * 2000)
        except OSError:
            pass
        began = time.monotonic()
        self.assertAlive(gate)
        self.assertLess(time.monotonic() - began, 2)

    def test_tls_records_do_not_stall(self):
        """Many commands in one TLS record: bytes that OpenSSL holds are read (SSL_pending)."""
        gate = self.server()
        client = Client(gate.ports["submissions"], tls=any_tls())
        self.addCleanup(client.close)
        client.ehlo()
        client.send("NOOP\r\n" * 60)
        self.assertEqual({client.reply().code for _ in range(60)}, {250})


if __name__ == "__main__":
    unittest.main()
