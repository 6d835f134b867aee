# SPDX-License-Identifier: MIT
"""TLS versions and ciphers, failed handshakes with what the client offered, wrong ports, and a certificate that is replaced."""

import re
import signal
import socket
import ssl
import subprocess
import time
import unittest

from client import Client, any_tls, submission
from harness import DEMO, PASSWORD, Case, Shared, make_certificate, poll, text_of


def s_client(gate, listener, *options, stdin="QUIT\n"):
    """OpenSSL's own client, which still speaks what is old; what it shows."""
    starttls = ["-starttls", "smtp", "-name", "laptop"] if listener != "submissions" else []
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % gate.ports[listener], "-servername",
                           "mail.example.com", "-crlf", *starttls, *options], input=stdin, text=True, capture_output=True, timeout=30)
    return done.stdout + done.stderr


class Versions(Shared):
    def test_1_2_and_1_3(self):
        for listener in ("smtp", "submission", "submissions"):
            for option, version in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
                with self.subTest(listener=listener, version=version):
                    self.assertRegex(s_client(self.gate, listener, option), r"New, %s, Cipher is (?!\(NONE\))" % re.escape(version))

    def test_older_ones_are_refused(self):
        for count, (option, version) in enumerate((("-tls1_1", "TLS1.1"), ("-tls1", "TLS1.0")), 1):
            with self.subTest(version):
                shown = s_client(self.gate, "submissions", option, "-cipher", "ALL:@SECLEVEL=0")
                self.assertIn("alert protocol version", shown)
                line = self.assertCause(self.gate, "tls-too-old", r"TLS error on connection from .*\[127\.0\.0\.1\]:\d+ .*unsupported protocol",
                                        count=count)
                self.assertRegex(line, r"\bTLSv?%s\b" % re.escape(version[3:]))
                self.assertIn("mail.example.com", line)

    def test_no_shared_cipher(self):
        """The certificate is ECDSA: a client that knows RSA only has nothing in common with it."""
        shown = s_client(self.gate, "submission", "-tls1_2", "-cipher", "AES128-SHA")
        self.assertIn("handshake failure", shown)
        line = self.assertCause(self.gate, "tls-no-shared-cipher",
                                r"TLS error on connection from \(laptop\) \[127\.0\.0\.1\]:\d+ .*no shared cipher")
        self.assertRegex(line, r"TLSv?1\.2.*(AES128-SHA|TLS_RSA_WITH_AES_128_CBC_SHA)")

    def test_a_client_that_does_not_trust_us(self):
        context = ssl.create_default_context()
        with self.assertRaises(ssl.SSLCertVerificationError):
            Client(self.gate.ports["submissions"], tls=context)
        self.assertCause(self.gate, "tls-unknown-ca", r"TLS error on connection from \[127\.0\.0\.1\]:\d+ .*unknown ca")

    def test_a_client_that_gives_up(self):
        client = Client(self.gate.ports["submission"])
        client.ehlo()
        self.assertEqual(client.cmd("STARTTLS").code, 220)
        client.close()
        self.assertCause(self.gate, "tls-gave-up", r"TLS error on connection from \(laptop\)")

    def test_garbage_in_the_handshake(self):
        client = Client(self.gate.ports["submission"])
        client.ehlo()
        self.assertEqual(client.cmd("STARTTLS").code, 220)
        client.send(b"\x16\x03\x01\x00\x05garbage and more of it" * 10)
        self.assertTrue(client.at_end())
        self.gate.wait_log(r"TLS error on connection from \(laptop\) .*\(cause=tls-")
        self.assertAlive(self.gate)

    def test_no_renegotiation(self):
        shown = s_client(self.gate, "submissions", "-tls1_2", stdin="R\n")
        self.assertNotRegex(shown, r"RENEGOTIATING[\s\S]*verify return:1[\s\S]*250 ")
        self.assertAlive(self.gate)

    def test_resumption_keeps_nothing_but_keys(self):
        """A second connection with the first one's session must log in again."""
        context = any_tls()
        first = Client(self.gate.ports["submissions"], tls=context)
        first.ehlo()
        self.assertEqual(first.plain(DEMO, PASSWORD).code, 235)
        session = first.sock.session
        first.quit()
        raw = socket.create_connection(("127.0.0.1", self.gate.ports["submissions"]), timeout=20)
        again = Client.__new__(Client)
        again.sock, again.pending, again.features = context.wrap_socket(raw, session=session), b"", {}
        self.addCleanup(again.close)
        self.assertEqual(again.reply().code, 220)
        again.ehlo()
        self.assertEqual(again.cmd("MAIL FROM:<%s>" % DEMO).code, 550)


class Settings(Case):
    def test_only_1_3(self):
        gate = self.server({"tls.min_version": "1.3"})
        self.assertIn("alert protocol version", s_client(gate, "submissions", "-tls1_2"))
        self.assertCause(gate, "tls-too-old")
        self.assertIn("New, TLSv1.3", s_client(gate, "submissions", "-tls1_3"))

    def test_ciphers(self):
        gate = self.server({"tls.ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256", "tls.ciphersuites": "TLS_CHACHA20_POLY1305_SHA256"})
        self.assertIn("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256", s_client(gate, "submissions", "-tls1_2"))
        self.assertIn("Cipher is TLS_CHACHA20_POLY1305_SHA256", s_client(gate, "submissions", "-tls1_3"))
        self.assertIn("handshake failure", s_client(gate, "submissions", "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"))
        self.assertRegex(self.assertCause(gate, "tls-no-shared-cipher"), r"TLSv?1\.3.*TLS_AES_128_GCM_SHA256")

    def test_old_versions_on_demand(self):
        gate = self.server({"tls.min_version": "1.0"})
        self.assertIn("New, TLSv1.0", s_client(gate, "submissions", "-tls1", "-cipher", "ALL:@SECLEVEL=0"))
        self.assertIn("New, TLSv1.3", s_client(gate, "submissions"))
        gate.wait_log(r"tls\.min_version")

    def test_without_a_certificate(self):
        """Port 25 works without TLS; STARTTLS is then not offered."""
        gate = self.server({"tls.certificate": None, "tls.key": None, "listen.submissions": None, "listen.submission": None})
        with Client(gate.ports["smtp"]) as client:
            client.ehlo()
            self.assertNotIn("STARTTLS", client.features)
            self.assertEqual(client.cmd("STARTTLS").code // 100, 4)


class WrongPorts(Shared):
    configuration = {"tls.silence": "1s"}

    def talk(self, listener, data, wait=20):
        """Sends bytes without a word of greeting; all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.gate.ports[listener]), timeout=wait) as sock:
            sock.sendall(data)
            found = b""
            try:
                while True:
                    more = sock.recv(4096)
                    if not more:
                        return found.decode("latin-1")
                    found += more
            except ConnectionResetError:
                return found.decode("latin-1")

    def test_tls_on_a_plain_port(self):
        for count, listener in enumerate(("submission", "smtp"), 1):
            with self.subTest(listener):
                with self.assertRaises((ssl.SSLError, OSError)):
                    Client(self.gate.ports[listener], tls=any_tls())
                line = self.assertCause(self.gate, "tls-on-plain-port", count=count)
                self.assertIn("[127.0.0.1]", line)

    def test_plain_on_a_tls_port(self):
        text = "554 Port %d expects SSL/TLS from the start: choose SSL/TLS for it, or STARTTLS with port 587\r\n" % self.gate.ports[
            "submissions"]
        self.assertEqual(self.talk("submissions", b"EHLO laptop\r\n"), text)
        self.assertCause(self.gate, "plain-on-tls-port")

    def test_http(self):
        for count, (listener, request) in enumerate((("submissions", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                                                     ("submission", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                                                     ("smtp", b"POST /x HTTP/1.0\r\n\r\n")), 1):
            with self.subTest(listener):
                self.assertIn("554 This is a mail server, not a web server\r\n", self.talk(listener, request))
                self.assertCause(self.gate, "http-on-mail-port", count=count)

    def test_silence(self):
        """A client that waits for a greeting on the TLS port gets a line that it can show."""
        began = time.monotonic()
        shown = self.talk("submissions", b"")
        self.assertEqual(shown, "554 Port %d expects SSL/TLS from the start: choose SSL/TLS for it, or STARTTLS with port 587\r\n"
                         % self.gate.ports["submissions"])
        self.assertTrue(0.8 < time.monotonic() - began < 5)
        self.assertCause(self.gate, "silence-on-tls-port")

    def test_spoke_too_early(self):
        """Commands before the greeting (RFC 5321, section 3.1) are a scanner's, not a mail program's."""
        with socket.create_connection(("127.0.0.1", self.gate.ports["smtp"]), timeout=20) as sock:
            sock.sendall(b"EHLO x\r\nMAIL FROM:<a@example.org>\r\n")
            self.assertRegex(sock.recv(4096).decode(), r"^(220|554) ")
        self.assertAlive(self.gate)

    def test_a_slow_handshake_is_not_silence(self):
        """The first byte came in time: then it is TLS, and has the time of a handshake."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = any_tls().wrap_bio(incoming, outgoing)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = outgoing.read()
        with socket.create_connection(("127.0.0.1", self.gate.ports["submissions"]), timeout=20) as sock:
            sock.sendall(hello[:1])
            time.sleep(1.5)
            sock.sendall(hello[1:])
            self.assertEqual(sock.recv(1), b"\x16", "a ServerHello")


class Reload(Case):
    def serial(self, gate):
        with socket.create_connection(("127.0.0.1", gate.ports["submissions"]), timeout=20) as raw:
            with any_tls().wrap_socket(raw) as sock:
                return ssl.DER_cert_to_PEM_cert(sock.getpeercert(True))

    def test_a_new_certificate(self):
        gate = self.server()
        old = self.serial(gate)
        held = submission(gate, DEMO, PASSWORD)
        self.addCleanup(held.close)
        certificate, key = make_certificate(gate.folder, "next")
        for source, target in ((certificate, gate.certificate), (key, gate.key)):
            with open(source) as new, open(target, "w") as out:
                out.write(new.read())
        gate.signal(signal.SIGHUP)
        self.assertTrue(poll(lambda: self.serial(gate) != old), "the new certificate is in force")
        self.assertEqual(self.serial(gate), text_of(certificate))
        self.assertEqual(held.message(DEMO, DEMO, "Subject: held\n\nx\n").code, 250, "connections go on")
        self.assertEqual(submission(gate, DEMO, PASSWORD).quit().code, 221)

    def test_a_bad_one_keeps_the_old(self):
        gate = self.server()
        old = self.serial(gate)
        other = make_certificate(gate.folder, "other")[1]
        for count, bad in enumerate(("no certificate at all\n", "", None), 1):
            with self.subTest(bad):
                if bad is None:  # a key of another certificate
                    with open(gate.certificate, "w") as out:
                        out.write(old)
                    with open(other) as new, open(gate.key, "w") as out:
                        out.write(new.read())
                else:
                    with open(gate.certificate, "w") as out:
                        out.write(bad)
                gate.signal(signal.SIGHUP)
                gate.wait_log(r"(?i)(server\.crt|server\.key|certificate|key)", count=count)
                time.sleep(0.3)
                self.assertEqual(self.serial(gate), old)
                self.assertAlive(gate)


if __name__ == "__main__":
    unittest.main()
