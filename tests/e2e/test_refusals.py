# SPDX-License-Identifier: MIT
"""What is refused, with its reply to the letter, its cause in the log, and words that help."""

import unittest

from client import Client, any_tls, plain_response, submission
from harness import DEMO, PASSWORD, Shared

OFF = "off@example.com"


class Refusals(Shared):
    people = (DEMO, OFF, "second@example.com")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gate.gatepost("account", "disable", OFF)

    def client(self, listener="submission", name="laptop"):
        client = Client(self.gate.ports[listener])
        self.addCleanup(client.close)
        client.ehlo(name)
        return client

    def logged_in(self):
        client = submission(self.gate, DEMO, PASSWORD)
        self.addCleanup(client.close)
        return client

    # ---- DESIGN, promise 2 ----

    def test_auth_before_tls(self):
        for listener in ("submission", "smtp"):
            for line in ("AUTH PLAIN " + plain_response(DEMO, PASSWORD), "AUTH LOGIN", "AUTH PLAIN"):
                with self.subTest(listener=listener, line=line[:10]):
                    client = self.client(listener)
                    self.assertNotIn("AUTH", client.features)
                    reply = client.cmd(line)
                    self.assertFirst(reply, "530 5.7.0 Must issue a STARTTLS command first")
                    self.assertGreater(len(reply.lines), 1, "words that help")
        self.assertCause(self.gate, "auth-before-tls")
        self.assertNotIn(plain_response(DEMO, PASSWORD), "\n".join(self.gate.log()), "a password in the log")

    # ---- promise 3 ----

    def test_submission_without_login(self):
        for listener in ("submission", "submissions"):
            port = self.gate.ports[listener]
            text = "550 5.7.1 SMTP AUTH is required for message submission on port %d" % port
            with self.subTest(listener, tls=True):
                client = Client(port, tls=any_tls() if listener == "submissions" else None)
                self.addCleanup(client.close)
                client.ehlo()
                if listener == "submission":
                    client.starttls()
                    client.ehlo()
                self.assertFirst(client.cmd("MAIL FROM:<%s>" % DEMO), text)
                self.assertFirst(client.cmd("MAIL FROM:<>"), text)
                self.assertCause(self.gate, "submission-no-login")
        with self.subTest("submission", tls=False):
            reply = self.client().cmd("MAIL FROM:<%s>" % DEMO)
            self.assertFirst(reply, "550 5.7.1 SMTP AUTH is required for message submission on port %d"
                             % self.gate.ports["submission"])
            self.assertRegex(str(reply), r"\n550.5\.7\.1 .*(SSL/TLS|STARTTLS)")
            self.assertCause(self.gate, "submission-no-login-no-tls")

    # ---- promise 4 ----

    def test_relaying_without_login(self):
        client = self.client("smtp", "laptop")
        self.assertEqual(client.cmd("MAIL FROM:<a@example.org>").code, 250)
        reply = client.cmd("RCPT TO:<b@example.net>")
        self.assertFirst(reply, "550 5.7.1 Please turn on SMTP Authentication in your mail client")
        peer_port = client.sock.getsockname()[1]
        self.assertEqual(reply.lines[1],
                         "5.7.1 (laptop) [127.0.0.1]:%d is not permitted to relay through this server without authentication."
                         % peer_port)
        self.assertCause(self.gate, "relay-no-login", r"H=\(laptop\) \[127\.0\.0\.1\]:%d F=<a@example\.org> rejected RCPT "
                                                      r"<b@example\.net>: Please turn on SMTP Authentication" % peer_port)
        self.assertFirst(client.cmd("DATA"), "554 5.5.1 No valid recipients")

    # ---- promise 5 ----

    def test_wrong_login(self):
        cases = [(DEMO, "wrong"), ("nobody-there@example.com", PASSWORD), (DEMO + " ", PASSWORD), (" " + DEMO, PASSWORD),
                 ("demo", PASSWORD), (OFF, "wrong"), (DEMO, PASSWORD + " "), (DEMO, PASSWORD.upper())]
        for account, password in cases:
            for way in ("plain", "login"):
                with self.subTest(account=account, way=way):
                    client = submission(self.gate)
                    self.addCleanup(client.close)
                    reply = getattr(client, way)(account, password)
                    self.assertFirst(reply, "535 5.7.8 Incorrect authentication data")
                    port = client.sock.getsockname()[1]
                    line = self.assertCause(self.gate, "auth-wrong", r"authenticator failed for \(laptop\) \[127\.0\.0\.1\]:%d" % port)
                    self.assertRegex(line, r" \w*%s\w* authenticator failed for \(laptop\) \[127\.0\.0\.1\]:%d: 535 Incorrect "
                                           r'authentication data \(set_id="%s"\) \(cause=auth-wrong\)$' % (way, port, account))
                    self.assertEqual(client.cmd("NOOP").code, 250, "the connection goes on")

    def test_names_are_compared_without_regard_to_case(self):
        client = submission(self.gate)
        self.addCleanup(client.close)
        self.assertEqual(client.plain("Demo@EXAMPLE.com", PASSWORD).code, 235)
        self.assertEqual(client.cmd("MAIL FROM:<demo@Example.COM>").code, 250)

    def test_disabled_account(self):
        client = submission(self.gate)
        self.addCleanup(client.close)
        self.assertFirst(client.plain(OFF, PASSWORD), "525 5.7.13 User account disabled")
        self.assertCause(self.gate, "auth-disabled", "authenticator failed")
        self.assertFirst(client.plain(OFF, "wrong"), "535 5.7.8 Incorrect authentication data")
        with self.subTest("still receives"):
            sender = self.client("smtp")
            self.assertEqual(sender.message("a@example.org", OFF, "Subject: for off\n\nx\n").code, 250)
            self.gate.wait_mail(OFF, having=b"for off")

    # ---- senders and recipients ----

    def test_sender_must_match(self):
        client = self.logged_in()
        for sender in ("second@example.com", "demo@example.org", "demo@sub.example.com", "x" + DEMO):
            with self.subTest(sender):
                reply = client.cmd("MAIL FROM:<%s>" % sender)
                self.assertFirst(reply, "553 5.7.1 <%s>: Sender address rejected: not owned by user %s" % (sender, DEMO))
                words = "\n".join(reply.lines[1:])
                self.assertIn(sender, words)
                self.assertIn("Allowed for this login: " + DEMO, words)
        self.assertCause(self.gate, "sender-not-owned")
        for sender in (DEMO, "demo@EXAMPLE.com", ""):
            with self.subTest(sender):
                self.assertEqual(client.cmd("MAIL FROM:<%s>" % sender).code, 250)
                client.cmd("RSET")

    def test_unknown_recipient(self):
        for client in (self.client("smtp"), self.logged_in()):
            self.assertEqual(client.cmd("MAIL FROM:<%s>" % DEMO).code, 250)
            self.assertFirst(client.cmd("RCPT TO:<nobody-there@example.com>"), "550 5.1.1 <nobody-there@example.com>: Unknown user")
            self.assertEqual(client.cmd("RCPT TO:<second@Example.Com>").code, 250, "the others are still welcome")
        self.assertCause(self.gate, "recipient-unknown", "rejected RCPT <nobody-there@example.com>", count=2)

    def test_foreign_domain_without_smarthost(self):
        client = self.logged_in()
        client.cmd("MAIL FROM:<%s>" % DEMO)
        self.assertFirst(client.cmd("RCPT TO:<b@example.net>"),
                         "550 5.4.4 Unable to route mail for example.net: relay.smarthost is not set")
        self.assertCause(self.gate, "relay-no-smarthost")

    # ---- order and syntax ----

    def test_order(self):
        client = Client(self.gate.ports["smtp"])
        self.addCleanup(client.close)
        self.assertFirst(client.cmd("MAIL FROM:<a@example.org>"), "503 5.5.1 HELO or EHLO required")
        client.ehlo()
        for line in ("RCPT TO:<%s>" % DEMO, "DATA"):
            reply = client.cmd(line)
            self.assertEqual(reply.code, 503, str(reply))
            self.assertTrue(reply.first.startswith("503 5.5.1 Bad sequence of commands: "), str(reply))
        client.cmd("MAIL FROM:<a@example.org>")
        self.assertEqual(client.cmd("MAIL FROM:<a@example.org>").code, 503)
        self.assertEqual(client.cmd("DATA").code // 100, 5)
        client.cmd("RSET")
        self.assertEqual(client.cmd("RCPT TO:<%s>" % DEMO).code, 503, "RSET forgets the sender")

    def test_syntax(self):
        client = self.client("smtp")
        cases = [("MAIL FROM:<a b@example.org>", "501 5.1.7 "), ("MAIL FROM:<a@example.org", "501 5.1.7 "),
                 ("MAIL FROM:<@>", "501 5.1.7 "), ("MAIL TO:<a@example.org>", "501 5.5.4 "), ("MAIL", "501 5.5.4 "),
                 ("MAIL FROM:<a@example.org> WRONG=1", "555 5.5.4 Unsupported parameter: "),
                 ("MAIL FROM:<a@example.org> SIZE=many", "501 5.5.4 "), ("BOGUS", "500 5.5.1 Unrecognized command"),
                 ("EXPN list", "502 5.5.1 Command not implemented"), ("", "500 5.5.1 Unrecognized command"),
                 ("MAIL FROM:<a@example.org> SIZE=99999999999", "552 5.3.4 Message size exceeds maximum permitted")]
        for line, start in cases:
            with self.subTest(line):
                reply = client.cmd(line)
                self.assertTrue(reply.first.startswith(start), str(reply))
        client.cmd("MAIL FROM:<a@example.org>")
        for line in ("RCPT TO:<>", "RCPT TO:<demo>", "RCPT TO:<a@b c>", "RCPT TO:<" + "x" * 70 + "@example.com>"):
            with self.subTest(line[:30]):
                reply = client.cmd(line)
                self.assertTrue(reply.first.startswith("501 5.1.3 ") or reply.first.startswith("550 "), str(reply))
        self.assertFirst(client.cmd("RCPT TO:<%s> NOTIFY=NEVER" % DEMO), "555 5.5.4 Unsupported parameter: NOTIFY")

    def test_helo(self):
        for line, code in (("EHLO", 501), ("HELO", 501), ("EHLO a b", 501), ("EHLO " + "x" * 300, 501), ("HELO laptop", 250),
                           ("EHLO [127.0.0.1]", 250), ("EHLO [2001:db8::1]", 250), ("EHLO My-PC_1", 250)):
            with self.subTest(line[:20]):
                client = Client(self.gate.ports["smtp"])
                self.addCleanup(client.close)
                reply = client.cmd(line)
                self.assertEqual(reply.code, code, str(reply))
                self.assertNotRegex(reply.lines[0], r"^\d\.\d\.\d ", "no enhanced code here (RFC 2034)")

    def test_the_small_commands(self):
        client = self.client("smtp")
        for line, code in (("NOOP", 250), ("NOOP something", 250), ("RSET", 250), ("VRFY demo", 252), ("HELP", 214),
                           ("noop", 250), ("Rset", 250), ("HELP MAIL", 214)):
            with self.subTest(line):
                self.assertEqual(client.cmd(line).code, code)
        self.assertEqual(client.quit().code, 221)


class Help(Shared):
    configuration = {"help.url": "https://mail.example.com/"}

    def test_the_address_of_the_page(self):
        client = Client(self.gate.ports["submission"])
        self.addCleanup(client.close)
        client.ehlo()
        self.assertRegex(client.cmd("AUTH LOGIN").lines[-1], r"^5\.7\.0 Help: https://mail\.example\.com/help/auth-before-tls$")
        client.starttls()
        client.ehlo()
        self.assertRegex(client.cmd("MAIL FROM:<%s>" % DEMO).lines[-1],
                         r"^5\.7\.1 Help: https://mail\.example\.com/help/submission-no-login$")


class Postmaster(Shared):
    people = (DEMO, "postmaster@example.com")

    def test_postmaster(self):
        with Client(self.gate.ports["smtp"]) as client:
            client.ehlo()
            for number, recipient in enumerate(("postmaster", "Postmaster", "POSTMASTER@example.com")):
                with self.subTest(recipient):
                    reply = client.message("a@example.org", recipient, "Subject: to postmaster %d\n\nx\n" % number)
                    self.assertEqual(reply.code, 250, str(reply))
                    self.gate.wait_mail("postmaster@example.com", having=b"to postmaster %d" % number)


class PostmasterElsewhere(Shared):
    configuration = {"local.postmaster": DEMO}

    def test_postmaster(self):
        with Client(self.gate.ports["smtp"]) as client:
            client.ehlo()
            for number, recipient in enumerate(("postmaster", "postmaster@example.com")):
                with self.subTest(recipient):
                    reply = client.message("", recipient, "Subject: to postmaster %d\n\nx\n" % number)
                    self.assertEqual(reply.code, 250, str(reply))
                    self.gate.wait_mail(having=b"to postmaster %d" % number)


class NoTlsNeeded(Shared):
    configuration = {"tls.required_for_auth": "no"}

    def test_login_without_tls(self):
        client = submission(self.gate, tls=False)
        self.addCleanup(client.close)
        self.assertEqual(set(client.features["AUTH"]), {"PLAIN", "LOGIN"})
        self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
        self.assertEqual(client.message(DEMO, DEMO, "Subject: in the clear\n\nx\n").code, 250)
        self.assertRegex(self.gate.wait_mail(having=b"in the clear")[0].decode(), r"\bwith ESMTPA\b")


class AnySender(Shared):
    configuration = {"auth.sender_must_match": "no"}

    def test_another_sender(self):
        client = submission(self.gate, DEMO, PASSWORD)
        self.addCleanup(client.close)
        self.assertEqual(client.message("any@example.org", DEMO, "Subject: any sender\n\nx\n").code, 250)


if __name__ == "__main__":
    unittest.main()
