# SPDX-License-Identifier: MIT
"""
Only CRLF.CRLF ends a message, and what is sent on is byte for byte what was sent in: every variant of the end mark that other servers
have fallen for (SMTP smuggling) goes in on each listener, and a receiver keeps the raw bytes that come out behind it.
"""

import re
import unittest

from client import Client, submission
from harness import DEMO, PASSWORD, Case
from sink import Sink

MARKS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
         b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n.\r\r\n", b"\r\n\r.\r\n", b"\r\n .\r\n", b"\r\n. \r\n"]
DOTS = [b".x\r\n", b"..\r\n", b"a\r\n..\r\nb\r\n", b"a\r\n.b\r\n", b"...\r\n....\r\n", b"a\n.b\r\n", b"a\n..b\r\n", b"a\r.b\r\n",
        b"a.\r\n", b"\r\n\r\n", b"a\r\n\r\n", b"a\r\n.\n.\r\nb\r\n"]
SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n" % DEMO.encode()
HEADER = b"Subject: t\r\nDate: Tue, 24 Nov 2026 21:57:52 +0000\r\nMessage-ID: <t@t>\r\n\r\n"


def meant(sent):
    """What the bytes before the end mark mean: dots go behind real line ends only, then the bare ones become real."""
    text = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in sent.split(b"\r\n"))
    return re.sub(rb"\r\n|\r|\n", b"\r\n", text)


def stuffed(text):
    """How the courier must send a text: every line that begins with a dot gets another one."""
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in text.split(b"\r\n")) + b".\r\n"


def body(raw):
    return raw.split(b"\r\n\r\n", 1)[1]


class EndOfData(Case):
    def setUp(self):
        super().setUp()
        self.sink = Sink(self, lmtp=True)
        self.gate = self.server({"local.delivery": "lmtp:127.0.0.1:%d" % self.sink.port})

    def in_one_piece(self, client, sent):
        return client.data(HEADER + sent + b".\r\n")

    def byte_by_byte(self, client, sent):
        self.assertEqual(client.cmd("DATA").code, 354)
        for byte in HEADER + sent + b".\r\n":
            client.send(bytes([byte]))
        return client.reply()

    def test_after_a_login(self):
        """Bare line ends are taken for what was meant, but never end the message."""
        for sent in [b"before" + mark + SMUGGLED for mark in MARKS] + [b"before" + mark + b"\r\n" for mark in MARKS] + DOTS:
            for way in (self.in_one_piece, self.byte_by_byte):
                with self.subTest(sent=sent, way=way.__name__):
                    with submission(self.gate, DEMO, PASSWORD) as client:
                        self.assertEqual(client.envelope(DEMO, DEMO).code, 250)
                        before = len(self.sink.messages)
                        reply = way(client, sent)
                        self.assertEqual(reply.code, 250, str(reply))
                        self.assertEqual(client.cmd("NOOP").code, 250)
                        self.assertTrue(client.is_silent(0), "the server answers what was data")
                    message = self.sink.wait(before + 1)[-1]
                    self.assertEqual(body(message.raw), stuffed(meant(sent)))
                    self.assertEqual(len(self.sink.messages), before + 1)
        self.assertEqual({message.sender for message in self.sink.messages}, {DEMO})

    def test_without_a_login(self):
        """What is bare is refused, after the real end of the data; the rest passes."""
        good, bad = [], []
        for sent in [b"before" + mark + SMUGGLED for mark in MARKS] + DOTS:
            (bad if re.search(rb"\r(?!\n)|(?<!\r)\n", sent) else good).append(sent)
        self.assertGreater(len(bad), 10)
        for sent in bad + good:
            for way in (self.in_one_piece, self.byte_by_byte):
                with self.subTest(sent=sent, way=way.__name__):
                    with Client(self.gate.ports["smtp"]) as client:
                        client.ehlo()
                        self.assertEqual(client.envelope("a@example.org", DEMO).code, 250)
                        before = len(self.sink.messages)
                        reply = way(client, sent)
                        if sent in bad:
                            self.assertFirst(reply, "550 5.6.0 Message has a bare CR or LF: lines must end with CRLF")
                        else:
                            self.assertEqual(reply.code, 250, str(reply))
                            self.assertEqual(body(self.sink.wait(before + 1)[-1].raw), stuffed(meant(sent)))
                        self.assertEqual(client.cmd("NOOP").code, 250)
                        self.assertTrue(client.is_silent(0), "the server answers what was data")
        self.assertCause(self.gate, "bare-line-end")
        self.assertEqual(len(self.sink.messages), 2 * len(good))
        self.assertEqual({message.sender for message in self.sink.messages}, {"a@example.org"})

    def test_a_bare_line_end_in_the_header(self):
        for start in (b"Subject: a\nBcc: b\r\n", b"Subject: a\rX: b\r\n"):
            with self.subTest(start), Client(self.gate.ports["smtp"]) as client:
                client.ehlo()
                client.envelope("a@example.org", DEMO)
                self.assertEqual(client.data(start + b"\r\nx\r\n.\r\n").code, 550)
        with submission(self.gate, DEMO, PASSWORD) as client:
            client.envelope(DEMO, DEMO)
            self.assertEqual(client.data(b"Subject: a\nBcc: secret@example.org\n\nx\r\n.\r\n").code, 250)
        raw = self.sink.wait(1)[-1].raw
        self.assertNotIn(b"secret", raw, "Bcc behind a bare LF is dropped, too")
        self.assertEqual(body(raw), b"x\r\n.\r\n")

    def test_the_next_commands_in_the_same_packet(self):
        """Pipelining (RFC 2920): what follows the real end mark is a command."""
        with submission(self.gate, DEMO, PASSWORD) as client:
            one = "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (DEMO, DEMO)
            client.send(one)
            self.assertEqual([client.reply().code for _ in range(3)], [250, 250, 354])
            client.send(HEADER + b"first\r\n.\r\n" + one.encode())
            self.assertEqual([client.reply().code for _ in range(4)], [250, 250, 250, 354])
            client.send(HEADER + b"second\r\n.\r\nQUIT\r\n")
            self.assertEqual([client.reply().code for _ in range(2)], [250, 221])
            self.assertTrue(client.at_end())
        self.assertEqual({body(message.raw) for message in self.sink.wait(2)}, {b"first\r\n.\r\n", b"second\r\n.\r\n"})


class Maildir(Case):
    """The same into a Maildir: there dots are not stuffed, and lines end in LF."""

    def test_bytes(self):
        gate = self.server()
        with submission(gate, DEMO, PASSWORD) as client:
            for number, sent in enumerate(DOTS + [b"before" + mark + b"\r\n" for mark in MARKS]):
                subject = b"Subject: number %d!\r\n\r\n" % number
                with self.subTest(sent):
                    client.envelope(DEMO, DEMO)
                    self.assertEqual(client.data(subject + sent + b".\r\n").code, 250)
                    raw = gate.wait_mail(having=b"number %d!" % number)[0]
                    self.assertEqual(raw.split(b"\n\n", 1)[1], meant(sent).replace(b"\r\n", b"\n"))


class SmtpToSmtp(Case):
    """The courier to a smarthost stuffs the same way."""

    def test_bytes(self):
        sink = Sink(self)
        gate = self.server({"relay.smarthost": "127.0.0.1:%d" % sink.port, "relay.tls": "none"})
        with submission(gate, DEMO, PASSWORD) as client:
            for number, sent in enumerate(DOTS + [b"before" + mark + SMUGGLED for mark in MARKS]):
                with self.subTest(sent):
                    client.envelope(DEMO, "b@example.net")
                    self.assertEqual(client.data(HEADER + sent + b".\r\n").code, 250)
                    self.assertEqual(body(sink.wait(number + 1)[-1].raw), stuffed(meant(sent)))


class Injection(Case):
    """Nothing that came before the handshake survives STARTTLS (RFC 3207; CVE-2011-0411)."""

    def test_commands_behind_starttls(self):
        gate = self.server()
        for listener in ("submission", "smtp"):
            for behind in ("NOOP\r\n", "EHLO evil\r\nMAIL FROM:<a@example.org>\r\n", "R", "\r\n"):
                with self.subTest(listener=listener, behind=behind):
                    client = Client(gate.ports[listener])
                    self.addCleanup(client.close)
                    client.ehlo()
                    client.send("STARTTLS\r\n" + behind)
                    reply = client.reply()
                    self.assertFirst(reply, "554 5.5.1 Commands behind STARTTLS refused: wait for the handshake")
                    self.assertTrue(client.at_end())
        self.assertCause(gate, "starttls-injection")
        self.assertAlive(gate)

    def test_what_was_said_before_is_forgotten(self):
        gate = self.server()
        client = Client(gate.ports["smtp"])
        self.addCleanup(client.close)
        client.ehlo()
        self.assertEqual(client.envelope("a@example.org", DEMO).code, 250)
        self.assertEqual(client.starttls().code, 220)
        self.assertFirst(client.cmd("MAIL FROM:<a@example.org>"), "503 5.5.1 HELO or EHLO required")
        client.ehlo()
        self.assertEqual(client.cmd("DATA").code, 503, "the envelope is gone")
        self.assertFirst(client.cmd("STARTTLS"), "503 5.5.1 TLS already active")
        self.assertEqual(client.cmd("STARTTLS now").code // 100, 5)


if __name__ == "__main__":
    unittest.main()
