# SPDX-License-Identifier: MIT
"""The duties of a submission server (RFC 6409, section 8), and Received with its keyword (RFC 3848)."""

import email
import email.utils
import re
import time
import unittest

from client import Client, any_tls, submission
from harness import DEMO, PASSWORD, Shared


class Headers(Shared):
    configuration = {"tls.required_for_auth": "no"}

    def deliver(self, client, text, sender=DEMO):
        reply = client.message(sender, DEMO, text)
        self.assertEqual(reply.code, 250, str(reply))
        return re.search(r"OK id=(\S+)", reply.first).group(1)

    def submit(self, subject, text, body="x\n"):
        """Hands it in with a login; the message as it arrived."""
        with submission(self.gate, DEMO, PASSWORD) as client:
            self.deliver(client, "Subject: %s\n%s\n%s" % (subject, text, body))
        raw = self.gate.wait_mail(having=b"Subject: " + subject.encode())[0]
        return email.message_from_bytes(raw)

    def test_missing_ones_are_added(self):
        message = self.submit("bare", "From: %s\n" % DEMO)
        self.assertEqual(len(message.get_all("Date")), 1)
        when = email.utils.parsedate_to_datetime(message["Date"])
        self.assertLess(abs(when.timestamp() - time.time()), 60)
        self.assertEqual(len(message.get_all("Message-ID")), 1)
        self.assertRegex(message["Message-ID"], r"^<[^<>@\s]+@mail\.example\.com>$")
        self.assertEqual(message["From"], DEMO)

    def test_present_ones_stay(self):
        message = self.submit("complete", "Date: Tue, 24 Nov 2026 21:57:52 +0100\nMESSAGE-ID: <mine@laptop>\nFrom: %s\n" % DEMO)
        self.assertEqual(message.get_all("Date"), ["Tue, 24 Nov 2026 21:57:52 +0100"])
        self.assertEqual(message.get_all("Message-ID"), ["<mine@laptop>"])
        self.gate.wait_log(r" <= %s .* id=mine@laptop " % DEMO)

    def test_dropped_ones(self):
        message = self.submit("dropped", "From: {0}\nBcc: secret-one@example.org,\n secret-two@example.org\nTo: {0}\nbcc : x@y\n"
                              "Return-Path: <bounce@example.org>\nResent-Bcc: secret-three@example.org\nX-Bcc: stays\n".format(DEMO))
        self.assertIsNone(message["Bcc"])
        self.assertIsNone(message["Resent-Bcc"])
        self.assertNotIn("secret-", message.as_string())
        self.assertNotIn("bounce@example.org", message.as_string())
        self.assertEqual(message["X-Bcc"], "stays")
        self.assertEqual(message["To"], DEMO)

    def test_the_body_is_not_touched(self):
        body = "Bcc: in the body\n\nReturn-Path: too\n From here\n.\n..\nlast line without end"
        message = self.submit("body", "From: %s\n" % DEMO, body + "\n")
        self.assertEqual(message.get_payload().replace("\r\n", "\n"), body + "\n")

    def test_a_message_without_a_header(self):
        with submission(self.gate, DEMO, PASSWORD) as client:
            self.deliver(client, "this is no header field\nneither is this\n")
            self.deliver(client, "\nbody only, empty header\n")
            self.assertEqual(client.envelope(DEMO, DEMO).code, 250)
            self.assertEqual(client.data(b".\r\n").code, 250)
        for text in (b"this is no header field", b"body only, empty header"):
            message = email.message_from_bytes(self.gate.wait_mail(having=text)[0])
            self.assertIsNotNone(message["Message-ID"])
            self.assertIn(text.decode(), message.get_payload())

    def test_received(self):
        """The keyword says how it came; the rest says from whom, by whom, its id and when."""
        cases = {
            "ESMTP": lambda: self.connect("smtp"),
            "SMTP": lambda: self.connect("smtp", helo="HELO laptop"),
            "ESMTPS": lambda: self.connect("smtp", starttls=True),
            "ESMTPA": lambda: self.connect("submission", login=True),
            "ESMTPSA": lambda: self.connect("submission", starttls=True, login=True),
        }
        for keyword, connect in cases.items():
            with self.subTest(keyword), connect() as client:
                queue_id = self.deliver(client, "From: %s\nSubject: by %s!\n\nx\n" % (DEMO, keyword))
                message = email.message_from_bytes(self.gate.wait_mail(having=b"Subject: by %s!" % keyword.encode())[0])
                received = " ".join(message.get_all("Received")[0].split())
                self.assertRegex(received, r"^from laptop \(.*\[127\.0\.0\.1\].*\) .*by mail\.example\.com .*with %s\b.* id %s\b.*; "
                                           r"\w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [-+]\d{4}" % (keyword, queue_id))
                self.gate.wait_log(r" %s <= %s H=.*\(laptop\) \[127\.0\.0\.1\]:\d+ P=%s " % (queue_id, DEMO, keyword.lower()))

    def connect(self, listener, starttls=False, login=False, helo="EHLO laptop"):
        client = Client(self.gate.ports[listener])
        self.addCleanup(client.close)
        client.cmd(helo)
        if starttls:
            client.starttls(any_tls())
            client.cmd(helo)
        if login:
            self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
        return client

    def test_a_message_of_another_server_is_not_completed(self):
        """RFC 6409 is about submission; a relay leaves the header alone (RFC 5321, section 6.4)."""
        with self.connect("smtp") as client:
            self.deliver(client, "From: a@example.org\nSubject: relayed\nBcc: kept@example.org\n\nx\n", "a@example.org")
        message = email.message_from_bytes(self.gate.wait_mail(having=b"Subject: relayed")[0])
        self.assertIsNone(message["Message-ID"])
        self.assertIsNone(message["Date"])
        self.assertEqual(message["Bcc"], "kept@example.org")

    def test_eight_bit_text_arrives_as_it_was(self):
        text = "Grüße, 世界, \xff".encode("utf-8") + b"\xfe\x80"
        with submission(self.gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.cmd("MAIL FROM:<%s> BODY=8BITMIME" % DEMO).code, 250)
            self.assertEqual(client.cmd("RCPT TO:<%s>" % DEMO).code, 250)
            self.assertEqual(client.data(b"Subject: eight bit\r\n\r\n" + text + b"\r\n.\r\n").code, 250)
        self.assertIn(text, self.gate.wait_mail(having=b"Subject: eight bit")[0])

    def test_the_log_tells_of_the_message(self):
        with submission(self.gate, DEMO, PASSWORD) as client:
            queue_id = self.deliver(client, "Subject: in the log\nMessage-ID: <l1@laptop>\n\nx\n")
        line = self.gate.wait_log(" %s <= " % queue_id)
        for part in (r"P=esmtpsa ", r"X=TLS1\.3:\S+:\d+ ", r"A=\S*plain:demo@example\.com ", r" S=\d+ ", r'id=l1@laptop ',
                     r'T="in the log" ', r"for demo@example\.com$"):
            self.assertRegex(line, part)
        self.gate.wait_log(" %s => " % queue_id)
        self.gate.wait_log(" %s Completed$" % queue_id)


if __name__ == "__main__":
    unittest.main()
