# SPDX-License-Identifier: MIT
"""AUTH (RFC 4954): tolerant of what real clients send, strict about base64 and length, in its order, and silent about passwords."""

import unittest

from client import Client, b64, plain_response, submission
from harness import DEMO, PASSWORD, Shared

GOOD = plain_response(DEMO, PASSWORD)


class Auth(Shared):
    configuration = {"limit.auth_failures": "5"}

    def client(self):
        client = submission(self.gate)
        self.addCleanup(client.close)
        return client

    def test_forms_that_real_clients_send(self):
        forms = {
            "initial response": ["AUTH PLAIN " + GOOD],
            "two spaces": ["AUTH PLAIN  " + GOOD],
            "a space at the end": ["AUTH PLAIN " + GOOD + " "],
            "lower case": ["auth plain " + GOOD],
            "no initial response": ["AUTH PLAIN", GOOD],
            "a space and nothing": ["AUTH PLAIN ", GOOD],
            "an empty response": ["AUTH PLAIN =", GOOD],
            "LOGIN with an empty response": ["AUTH LOGIN =", b64(DEMO), b64(PASSWORD)],
            "authorization id": ["AUTH PLAIN " + plain_response(DEMO, PASSWORD, DEMO)],
            "LOGIN": ["AUTH LOGIN", b64(DEMO), b64(PASSWORD)],
            "LOGIN with the name at once": ["AUTH LOGIN " + b64(DEMO), b64(PASSWORD)],
            "LOGIN with two spaces": ["AUTH LOGIN  " + b64(DEMO), b64(PASSWORD)],
        }
        for name, lines in forms.items():
            with self.subTest(name):
                client = self.client()
                for line in lines[:-1]:
                    reply = client.cmd(line)
                    self.assertEqual(reply.code, 334, str(reply))
                reply = client.cmd(lines[-1])
                self.assertTrue(reply.first.startswith("235 2.7.0 "), str(reply))

    def test_challenges(self):
        """What LOGIN asks is what clients look for; PLAIN asks nothing."""
        client = self.client()
        self.assertEqual(str(client.cmd("AUTH LOGIN")), "334 " + b64("Username:"))
        self.assertEqual(str(client.cmd(b64(DEMO))), "334 " + b64("Password:"))
        self.assertFirst(client.cmd("*"), "501 5.0.0 Authentication cancelled")
        self.assertEqual(str(client.cmd("AUTH PLAIN")), "334 ")

    def test_cancel(self):
        for lines in (["AUTH PLAIN"], ["AUTH LOGIN"], ["AUTH LOGIN", b64(DEMO)]):
            with self.subTest(lines):
                client = self.client()
                for line in lines:
                    self.assertEqual(client.cmd(line).code, 334)
                self.assertFirst(client.cmd("*"), "501 5.0.0 Authentication cancelled")
                self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
        self.assertCause(self.gate, "auth-cancelled", count=3)

    def test_bad_base64(self):
        bad = ["not base64!", GOOD[:-1], GOOD + "=", "=" + GOOD, GOOD[:8] + "*" + GOOD[9:], "====", "A", GOOD + "A", "QQ=A", "QR=="]
        for text in bad:
            for lines in ([], ["AUTH PLAIN"]):
                with self.subTest(text=text, lines=lines):
                    client = self.client()
                    for line in lines:
                        self.assertEqual(client.cmd(line).code, 334)
                    reply = client.cmd(text if lines else "AUTH PLAIN " + text)
                    self.assertEqual(reply.code, 501, str(reply))
                    self.assertTrue(reply.first.startswith("501 5.5."), str(reply))
                    self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
        self.assertFirst(self.client().cmd("AUTH PLAIN QR=="), "501 5.5.2 Invalid base64 data")
        self.assertCause(self.gate, "auth-base64")

    def test_malformed_content(self):
        for text in (b"no NUL at all", b"\0" + DEMO.encode(), b"\0\0", b"\0\0" + PASSWORD.encode(),
                     b"other@example.com\0" + DEMO.encode() + b"\0" + PASSWORD.encode(), b"a\0b\0c\0d"):
            with self.subTest(text):
                reply = self.client().cmd("AUTH PLAIN " + b64(text))
                self.assertFirst(reply, "501 5.5.2 Invalid authentication data")
        self.assertCause(self.gate, "auth-malformed")

    def test_length(self):
        client = self.client()
        self.assertFirst(client.cmd("AUTH PLAIN " + "A" * 20000), "500 5.5.6 Authentication exchange line is too long")
        self.assertEqual(client.cmd("NOOP").code, 250)
        self.assertEqual(client.cmd("AUTH LOGIN").code, 334)
        self.assertFirst(client.cmd("A" * 20000), "500 5.5.6 Authentication exchange line is too long")
        self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
        self.assertCause(self.gate, "auth-line-too-long")
        reply = self.client().plain(DEMO, "x" * 8000)
        self.assertEqual(reply.code // 100, 5, "below the limit, and no password")

    def test_mechanisms(self):
        for line, first in (("AUTH CRAM-MD5", "504 5.5.4 CRAM-MD5 authentication mechanism not supported"),
                            ("AUTH NTLM TlRMTVNTUAABAAAA", "504 5.5.4 NTLM authentication mechanism not supported")):
            self.assertFirst(self.client().cmd(line), first)
        for line in ("AUTH", "AUTH  "):
            reply = self.client().cmd(line)
            self.assertEqual(reply.code, 501, str(reply))
        self.assertCause(self.gate, "auth-mechanism")

    def test_order(self):
        client = self.client()
        self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
        self.assertFirst(client.plain(DEMO, PASSWORD), "503 5.5.1 already authenticated")
        client.quit()
        client = Client(self.gate.ports["smtp"])
        self.addCleanup(client.close)
        client.ehlo()
        client.starttls()
        self.assertFirst(client.plain(DEMO, PASSWORD), "503 5.5.1 AUTH command used when not advertised")
        client.ehlo()
        self.assertEqual(client.cmd("MAIL FROM:<%s>" % DEMO).code, 250)
        self.assertFirst(client.plain(DEMO, PASSWORD), "503 5.5.1 not permitted in mail transaction")

    def test_auth_on_the_port_for_other_servers(self):
        client = Client(self.gate.ports["smtp"])
        self.addCleanup(client.close)
        client.ehlo()
        client.starttls()
        client.ehlo()
        self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
        client.cmd("MAIL FROM:<%s>" % DEMO)
        self.assertFirst(client.cmd("RCPT TO:<b@example.net>"),
                         "550 5.4.4 Unable to route mail for example.net: relay.smarthost is not set")

    def test_auth_parameter_of_mail(self):
        """RFC 4954, section 5: is understood, and never trusted."""
        client = self.client()
        self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
        for value in ("<>", DEMO, "e+3Dmc2@example.com"):
            with self.subTest(value):
                self.assertEqual(client.cmd("MAIL FROM:<%s> SIZE=100 BODY=8BITMIME AUTH=%s" % (DEMO, value)).code, 250)
                client.cmd("RSET")
        self.assertEqual(client.cmd("MAIL FROM:<%s> AUTH=+zz" % DEMO).code, 501)

    def test_failures_in_one_connection(self):
        client = self.client()
        for _ in range(4):
            self.assertFirst(client.plain(DEMO, "wrong"), "535 5.7.8 Incorrect authentication data")
        reply = client.plain(DEMO, "wrong")
        if reply.code == 535:
            reply = client.reply()
        self.assertEqual(reply.code, 421, str(reply))
        self.assertTrue(client.at_end())
        self.assertCause(self.gate, "auth-too-many-failures")

    def test_nothing_secret_in_the_log(self):
        client = self.client()
        client.plain(DEMO, "s3cret-of-plain")
        client.login(DEMO, "s3cret-of-login")
        client.cmd("AUTH PLAIN s3cret-of-base64")
        client.cmd("AUTH CRAM-MD5 s3cret-of-cram")
        client.cmd("AUTH LOGIN")
        client.cmd("s3cret-as-a-line")
        client.cmd("AUTH PLAIN " + b64("s3cret without form"))
        self.assertCause(self.gate, "auth-malformed")
        log = "\n".join(self.gate.log())
        self.assertNotIn("s3cret", log)
        for text in ("s3cret-of-plain", "s3cret-of-login", "s3cret without form"):
            self.assertNotIn(b64(text), log)
        self.assertNotIn(plain_response(DEMO, "s3cret-of-plain"), log)

    def test_early_bytes_in_a_login(self):
        """A client that goes away, or sends on, while its password is checked disturbs nobody."""
        client = self.client()
        client.send("AUTH PLAIN %s\r\nNOOP\r\nNOOP\r\n" % plain_response(DEMO, "wrong"))
        self.assertEqual([client.reply().code for _ in range(3)], [535, 250, 250])
        for _ in range(5):
            client = self.client()
            client.send("AUTH PLAIN %s\r\n" % plain_response(DEMO, "wrong again"))
            client.close()
        self.assertAlive(self.gate)


if __name__ == "__main__":
    unittest.main()
