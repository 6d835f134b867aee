# SPDX-License-Identifier: MIT
"""Real mail programs hand in mail, and it arrives: swaks, curl, msmtp and Python's smtplib, with STARTTLS and with TLS from the start."""

import os
import smtplib
import subprocess
import unittest

from client import any_tls
from harness import DEMO, PASSWORD, Shared

TEXT = "From: {demo}\r\nTo: {demo}\r\nSubject: {subject}\r\n\r\nHello from {subject}.\r\n"


class Clients(Shared):
    def run_client(self, command, stdin=None, code=0):
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=60,
                              env=dict(os.environ, HOME=self.gate.folder))
        self.assertEqual(done.returncode, code, " ".join(command) + "\n" + done.stdout + done.stderr)
        return done.stdout + done.stderr

    def assertArrived(self, subject, keyword="ESMTPSA"):
        message = self.gate.wait_mail(having=b"Subject: " + subject.encode())[0]
        self.assertRegex(message.decode(), r"(?s)\bReceived: .*\bwith %s\b" % keyword)
        self.gate.wait_log(r" <= %s .*P=%s " % (DEMO, keyword.lower()))

    def swaks(self, subject, *options):
        return self.run_client(["swaks", "--server", "127.0.0.1", "--from", DEMO, "--to", DEMO, "--auth-user", DEMO,
                                "--auth-password", PASSWORD, "--header", "Subject: " + subject, *options])

    def test_swaks(self):
        for mechanism in ("PLAIN", "LOGIN"):
            for tls, listener in (("--tls", "submission"), ("--tlsc", "submissions")):
                subject = "swaks%s%s" % (mechanism, tls)
                with self.subTest(subject):
                    shown = self.swaks(subject, tls, "--port", str(self.gate.ports[listener]), "--auth", mechanism)
                    self.assertRegex(shown, r"<~  250 2\.0\.0 OK id=\w{6}-\w{6}-\w{2}\n")
                    self.assertArrived(subject)

    def curl(self, subject, url, *options):
        self.run_client(["curl", "--silent", "--show-error", "--insecure", "--url", url, "--mail-from", DEMO, "--mail-rcpt", DEMO,
                         "--user", "%s:%s" % (DEMO, PASSWORD), "--upload-file", "-", *options],
                        TEXT.format(demo=DEMO, subject=subject))
        self.assertArrived(subject)

    def test_curl(self):
        for mechanism in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                login = ["--login-options", "AUTH=" + mechanism]
                self.curl("curl-starttls-" + mechanism, "smtp://127.0.0.1:%d/laptop" % self.gate.ports["submission"], "--ssl-reqd",
                          *login)
                self.curl("curl-tls-" + mechanism, "smtps://127.0.0.1:%d/laptop" % self.gate.ports["submissions"], *login)

    def test_msmtp(self):
        for mechanism in ("plain", "login"):
            for starttls, listener in (("on", "submission"), ("off", "submissions")):
                subject = "msmtp-%s-%s" % (mechanism, listener)
                with self.subTest(subject):
                    self.run_client(
                        ["msmtp", "--file=/dev/null", "--host=127.0.0.1", "--port=%d" % self.gate.ports[listener], "--tls=on",
                         "--tls-starttls=" + starttls, "--tls-trust-file=" + self.gate.certificate, "--auth=" + mechanism,
                         "--user=" + DEMO, "--passwordeval=echo '%s'" % PASSWORD, "--from=" + DEMO, DEMO],
                        TEXT.format(demo=DEMO, subject=subject).replace("\r\n", "\n"))
                    self.assertArrived(subject)

    def test_smtplib(self):
        with smtplib.SMTP("localhost", self.gate.ports["submission"], local_hostname="laptop") as client:
            client.starttls(context=any_tls())
            client.login(DEMO, PASSWORD)
            client.sendmail(DEMO, [DEMO], TEXT.format(demo=DEMO, subject="smtplib-starttls"))
        self.assertArrived("smtplib-starttls")
        with smtplib.SMTP_SSL("localhost", self.gate.ports["submissions"], local_hostname="laptop", context=any_tls()) as client:
            client.login(DEMO, PASSWORD)
            for number in range(3):
                client.sendmail(DEMO, [DEMO], TEXT.format(demo=DEMO, subject="smtplib-tls-%d" % number))
        for number in range(3):
            self.assertArrived("smtplib-tls-%d" % number)

    def test_the_capabilities(self):
        """What EHLO offers before and inside TLS, and where."""
        with smtplib.SMTP("127.0.0.1", self.gate.ports["submission"]) as client:
            client.ehlo()
            before = set(client.esmtp_features)
            client.starttls(context=any_tls())
            client.ehlo()
            inside = set(client.esmtp_features)
            self.assertEqual(client.esmtp_features["size"], str(50 << 20))
            self.assertEqual(set(client.esmtp_features["auth"].split()), {"PLAIN", "LOGIN"})
        usual = {"pipelining", "size", "8bitmime", "enhancedstatuscodes"}
        self.assertTrue(usual | {"starttls"} <= before, before)
        self.assertNotIn("auth", before)
        self.assertTrue(usual | {"auth"} <= inside, inside)
        self.assertNotIn("starttls", inside)

    def test_mail_from_another_server(self):
        """On the port for other servers no login is needed for mailboxes that are here."""
        self.run_client(["swaks", "--server", "127.0.0.1", "--port", str(self.gate.ports["smtp"]), "--from", "a@example.org",
                         "--to", DEMO, "--header", "Subject: from-outside"])
        message = self.gate.wait_mail(having=b"from-outside")[0]
        self.assertRegex(message.decode(), r"(?s)\bwith ESMTP\b")
        self.gate.wait_log(r" <= a@example\.org .*P=esmtp ")


if __name__ == "__main__":
    unittest.main()
