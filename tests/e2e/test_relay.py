# SPDX-License-Identifier: MIT
"""Mail for other domains goes to the smarthost: over TLS, with a login, patiently; and what cannot be delivered comes back as a bounce."""

import contextlib
import email
import email.policy
import os
import sqlite3
import ssl
import subprocess
import unittest

from client import Client, submission
from harness import DEMO, PASSWORD, Case, make_certificate, poll
from sink import Sink

RELAY = "relay@example.org"


class Relay(Case):
    def smarthost(self, **settings):
        """Another Gatepost, which takes mail for example.net."""
        return self.server({"hostname": "smarthost.example.net", "local.domains": "example.net example.org",
                            "auth.sender_must_match": "no", **settings}, accounts=(RELAY, "b@example.net"))

    def gate_to(self, port, password="relay secret", **settings):
        gate = self.server({"relay.smarthost": "localhost:%d" % port, "queue.retry": "1s"}, start=False)
        with open(gate.path("relay.password"), "w") as out:
            out.write(password + "\n")
        os.chmod(gate.path("relay.password"), 0o600)
        gate.write_conf({**settings, "relay.password_file": gate.path("relay.password") if "relay.user" in settings else None})
        return gate

    def send(self, gate, recipient, subject, sender=DEMO, body="x\n"):
        with submission(gate, DEMO, PASSWORD) as client:
            reply = client.message(sender, recipient, "From: %s\nSubject: %s\n\n%s" % (DEMO, subject, body))
            self.assertEqual(reply.code, 250, str(reply))

    def test_a_second_gatepost_with_login(self):
        for listener, tls in (("submission", "starttls"), ("submissions", "implicit")):
            with self.subTest(tls):
                smarthost = self.smarthost()
                smarthost.gatepost("account", "password", RELAY, "--password-stdin", stdin="relay secret\n")
                gate = self.gate_to(smarthost.ports[listener], **{"relay.tls": tls, "relay.user": RELAY,
                                                                  "relay.ca_file": smarthost.certificate})
                gate.start()
                for number in range(5):
                    self.send(gate, "b@example.net", "over %s %d" % (tls, number))
                for number in range(5):
                    text = smarthost.wait_mail("b@example.net", having=b"over %s %d" % (tls.encode(), number))[0].decode()
                    self.assertEqual(text.count("with ESMTPSA"), 2, text)
                line = smarthost.wait_log(" <= %s " % DEMO)
                self.assertIn("A=", line)
                self.assertIn("plain:" + RELAY, line)
                gate.wait_log(r" => b@example\.net .*R=\S*smarthost.*H=localhost \[127\.0\.0\.1\]:%d" % smarthost.ports[listener])
                gate.wait_log(" Completed$", count=5)

    def test_a_wrong_login(self):
        smarthost = self.smarthost()
        gate = self.gate_to(smarthost.ports["submission"], password="wrong",
                            **{"relay.user": RELAY, "relay.ca_file": smarthost.certificate})
        gate.start()
        self.send(gate, "b@example.net", "not yet")
        self.assertCause(gate, "delivery-login", r" == b@example\.net ")
        row = gate.json("queue", "list")["messages"][0]["recipients"][0]
        self.assertIn("535 5.7.8 Incorrect authentication data", row["last_answer"])
        smarthost.gatepost("account", "password", RELAY, "--password-stdin", stdin="wrong\n")
        smarthost.wait_mail("b@example.net", having=b"not yet")

    def test_no_trust_no_mail(self):
        """starttls and implicit never go on without a certificate that is trusted, or without TLS."""
        smarthost = self.smarthost()
        sink = Sink(self)
        cases = {"an authority that nobody trusts": (smarthost.ports["submission"], {"relay.tls": "starttls"}),
                 "the same, implicit": (smarthost.ports["submissions"], {"relay.tls": "implicit"}),
                 "no STARTTLS": (sink.port, {"relay.tls": "starttls"}),
                 "no TLS at all": (sink.port, {"relay.tls": "implicit", "tls.silence": "1s"})}
        for name, (port, settings) in cases.items():
            with self.subTest(name):
                if name == "no TLS at all":
                    sink.answers["CONNECT"] = lambda argument: "220 plain"
                gate = self.gate_to(port, **settings).start()
                self.send(gate, "b@example.net", "private")
                self.assertCause(gate, "delivery-tls", r" == b@example\.net ")
        self.assertEqual(sink.messages, [])
        self.assertEqual(smarthost.mail("b@example.net"), {})
        self.assertFalse([line for line in sink.commands if line.startswith(("MAIL", "AUTH"))])

    def test_the_wrong_name(self):
        certificate, key = make_certificate(self.server(start=False).folder, "other")
        subprocess.run(["openssl", "req", "-x509", "-key", key, "-days", "2", "-subj", "/CN=other", "-addext",
                        "subjectAltName=DNS:other.example.net", "-out", certificate], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        sink = Sink(self, tls="starttls", context=context)
        gate = self.gate_to(sink.port, **{"relay.ca_file": certificate}).start()
        self.send(gate, "b@example.net", "private")
        self.assertCause(gate, "delivery-tls", r" == b@example\.net ")
        self.assertEqual(sink.messages, [])

    def test_opportunistic(self):
        """Takes TLS where it is offered, whoever's certificate; and goes without where it is not."""
        smarthost = self.smarthost()
        gate = self.gate_to(smarthost.ports["smtp"], **{"relay.tls": "opportunistic"}).start()
        self.send(gate, "b@example.net", "taken")
        text = smarthost.wait_mail("b@example.net", having=b"taken")[0].decode()
        self.assertIn("with ESMTPS", text)
        sink = Sink(self)
        gate = self.gate_to(sink.port, **{"relay.tls": "opportunistic"}).start()
        self.send(gate, "b@example.net", "plain")
        self.assertEqual(sink.wait(1)[0].recipients, ["b@example.net"])

    def test_one_connection_for_many(self):
        sink = Sink(self)
        gate = self.gate_to(sink.port, **{"relay.tls": "none", "courier.hold": "yes", "courier.per_destination": "2"}).start()
        for number in range(30):
            self.send(gate, ["b%d@example.net" % number, "c@example.net"], "number %d" % number)
        gate.gatepost("settings", "set", "courier.hold", "no")
        messages = sink.wait(30)
        self.assertEqual({tuple(sorted(message.recipients)) for message in messages},
                         {("b%d@example.net" % number, "c@example.net") for number in range(30)})
        self.assertLessEqual(sink.connections, 6)
        gate.wait_log(" Completed$", count=30)
        self.assertEqual(len(sink.messages), 30)

    def test_retries(self):
        """The other server is busy at first; each thing it may say no to is tried again."""
        for stage in ("CONNECT", "MAIL", "RCPT", "DATA", "END"):
            with self.subTest(stage):
                calls = []

                def busy(argument, calls=calls):
                    calls.append(argument)
                    return None if len(calls) > 2 else "" if len(calls) == 2 else "451 4.3.0 not now"
                sink = Sink(self, answers={stage: busy})
                gate = self.gate_to(sink.port, **{"relay.tls": "none"}).start()
                self.send(gate, "b@example.net", "patient")
                self.assertEqual(len(sink.wait(1)), 1)
                gate.wait_log(" Completed$")
                gate.wait_log(r" == b@example\.net ")
                self.assertEqual(len(sink.messages), 1)

    def test_the_other_server_speaks_nonsense(self):
        for words in ("hello", "250\r\n251 x", "2" * 5000, "99 x", "250-" + "\r\n250-x" * 3000):
            with self.subTest(words[:20]):
                calls = []

                def nonsense(argument, calls=calls, words=words):
                    calls.append(argument)
                    return words if len(calls) == 1 else None
                sink = Sink(self, answers={"MAIL": nonsense})
                gate = self.gate_to(sink.port, **{"relay.tls": "none"}).start()
                self.send(gate, "b@example.net", "nonsense")
                self.assertEqual(len(sink.wait(1)), 1)


class Bounces(Case):
    def gate_to(self, sink, **settings):
        return self.server({"relay.smarthost": "127.0.0.1:%d" % sink.port, "relay.tls": "none", "queue.retry": "1s", **settings})

    def bounce(self, gate, count=1):
        raw = gate.wait_mail(having=b"multipart/report", count=count)[-1]
        message = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertEqual(message.get_content_type(), "multipart/report")
        self.assertEqual(message.get_param("report-type"), "delivery-status")
        return message, raw

    def test_an_unknown_remote_recipient(self):
        """RFC 3464: words for people, fields for programs, and the header of what was sent."""
        sink = Sink(self, answers={"RCPT": lambda who: "550-5.1.1 No such user\r\n550 5.1.1 <%s> here" % who if who.startswith("no")
                                   else None})
        gate = self.gate_to(sink)
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, ["nobody@example.net", "b@example.net"],
                                            "From: %s\nSubject: original\nMessage-ID: <orig@laptop>\n\nbody text\n" % DEMO).code, 250)
        self.assertEqual(sink.wait(1)[0].recipients, ["b@example.net"], "the good one gets it")
        message, raw = self.bounce(gate)
        self.assertRegex(raw.decode(), r"(?m)^Return-Path: <>|^From: .*<>|MAILER-DAEMON|postmaster")
        self.assertEqual(message["To"], DEMO)
        self.assertRegex(message["From"], r"(?i)mailer-daemon|postmaster")
        self.assertEqual(message["Auto-Submitted"], "auto-replied")
        self.assertIsNotNone(message["Date"])
        self.assertIsNotNone(message["Message-ID"])
        text, report, original = message.iter_parts()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertIn("nobody@example.net", text.get_content())
        self.assertIn("No such user", text.get_content())
        self.assertEqual(report.get_content_type(), "message/delivery-status")
        whole, recipient = report.get_payload()
        self.assertEqual(whole["Reporting-MTA"], "dns; mail.example.com")
        self.assertEqual(recipient["Final-Recipient"], "rfc822; nobody@example.net")
        self.assertEqual(recipient["Action"], "failed")
        self.assertEqual(recipient["Status"], "5.1.1")
        self.assertRegex(recipient["Diagnostic-Code"], r"^smtp; 550[- ]5\.1\.1 No such user")
        self.assertRegex(recipient["Remote-MTA"], r"^dns; ")
        self.assertIn(original.get_content_type(), ("message/rfc822", "text/rfc822-headers"))
        self.assertIn("Subject: original", original.as_string())
        self.assertCause(gate, "delivery-refused", r" \*\* nobody@example\.net ")
        gate.wait_log(" <= <> ")
        self.assertTrue(poll(lambda: gate.json("queue", "list") == {"messages": []}))

    def test_no_bounce_for_the_null_sender(self):
        sink = Sink(self, answers={"RCPT": lambda who: "550 5.1.1 no"})
        gate = self.gate_to(sink)
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message("", "nobody@example.net", "Subject: null\n\nx\n").code, 250)
        gate.wait_log(" Completed$")
        self.assertEqual(gate.mail(), {})
        self.assertEqual(gate.json("queue", "list"), {"messages": []})
        self.assertFalse([line for line in gate.log() if " <= <> R=" in line])

    def test_expiry(self):
        sink = Sink(self, answers={"RCPT": lambda who: "451 4.2.0 always busy"})
        gate = self.server({"relay.smarthost": "127.0.0.1:%d" % sink.port, "relay.tls": "none", "queue.retry": "1s",
                            "queue.lifetime": "60s"}, start=False)
        gate.write_conf({"courier.hold": "yes"})
        gate.start()
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, "b@example.net", "Subject: old\n\nx\n").code, 250)
        gate.stop()
        with contextlib.closing(sqlite3.connect(gate.path("data/queue.db"))) as queue, queue:
            queue.execute("UPDATE message SET queued_at = queued_at - 3600")
        gate.write_conf({"courier.hold": "no"})
        gate.start()
        message, raw = self.bounce(gate)
        self.assertIn("always busy", raw.decode())
        recipient = list(message.iter_parts())[1].get_payload()[1]
        self.assertRegex(recipient["Status"], r"^[45]\.\d\.\d$")
        self.assertCause(gate, "delivery-expired", r" \*\* b@example\.net ")

    def test_refused_at_the_end_of_data(self):
        sink = Sink(self, answers={"END": lambda who: "554 5.6.0 content refused"})
        gate = self.gate_to(sink)
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, ["b@example.net", "c@example.net"], "Subject: both\n\nx\n").code, 250)
        message, raw = self.bounce(gate)
        text = raw.decode()
        for who in ("b@example.net", "c@example.net"):
            self.assertIn("Final-Recipient: rfc822; " + who, text)
        self.assertEqual(len(gate.mail()), 1, "one bounce for both")


class Local(Case):
    def test_a_maildir_that_cannot_be_written(self):
        """The message stays in the queue, and arrives once the folder can be written."""
        gate = self.server({"queue.retry": "1s"}, start=False)
        os.rmdir(gate.path("mail"))
        with open(gate.path("mail"), "w") as out:
            out.write("in the way")
        gate.start()
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, DEMO, "Subject: later\n\nx\n").code, 250)
        self.assertCause(gate, "delivery-maildir", r" == demo@example\.com ")
        os.remove(gate.path("mail"))
        os.mkdir(gate.path("mail"))
        gate.give(gate.path("mail"))
        gate.wait_mail(having=b"later")
        self.assertEqual(len(gate.mail()), 1)

    def test_names_that_are_no_paths(self):
        """An address is never a way out of the mail folder."""
        gate = self.server()
        for address in ("../../x@example.com", "..@example.com", ".@example.com", "a/b@example.com", "/x@example.com"):
            gate.gatepost("account", "add", address, "--password-stdin", stdin="x\n", code=None)
            with Client(gate.ports["smtp"]) as client:
                client.ehlo()
                client.message("a@example.org", address, "Subject: out of the folder\n\nx\n")
        self.assertAlive(gate)
        poll(lambda: gate.json("queue", "list") == {"messages": []}, timeout=3)
        for folder, _, names in os.walk(gate.folder):
            if os.path.basename(folder) in ("new", "cur", "tmp") and names:
                self.assertRegex(os.path.relpath(folder, gate.folder), r"^mail/example\.com/[^/]+/(new|cur|tmp)$")

    def test_two_recipients_each_get_one(self):
        gate = self.server(accounts=(DEMO, "two@example.com"))
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, [DEMO, "two@example.com", "Two@Example.com"], "Subject: both\n\nx\n").code, 250)
        gate.wait_mail(having=b"both")
        gate.wait_mail("two@example.com", having=b"both")
        gate.wait_log(" Completed$")
        self.assertEqual((len(gate.mail()), len(gate.mail("two@example.com"))), (1, 1))
        gate.wait_log(r" (=>|->) two ?<?two@example\.com|(=>|->) two@example\.com")


if __name__ == "__main__":
    unittest.main()
