# SPDX-License-Identifier: MIT
"""A mail client that hides nothing: it sends the bytes it is told to and shows every line of every reply."""

import base64
import select
import socket
import ssl


def any_tls(**settings):
    """A context that takes every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain_response(account, password, authorization=""):
    return b64("%s\0%s\0%s" % (authorization, account, password))


class Reply:
    """A whole reply: its code, and the text of each line."""

    def __init__(self, raw):
        self.raw = raw
        self.code = int(raw[0][:3])
        self.lines = [line[4:] for line in raw]

    @property
    def first(self):
        return "%d %s" % (self.code, self.lines[0])

    def __str__(self):
        return "\n".join(self.raw)


class Client:
    def __init__(self, port, host="127.0.0.1", tls=None, greeting=True, timeout=30, source=None):
        """tls: None, or the context for TLS from the first byte."""
        self.sock = socket.create_connection((host, port), timeout=timeout, source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = host
        self.pending = b""
        self.features = {}
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="mail.example.com")
        self.greeting = self.reply() if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def read_line(self):
        while b"\n" not in self.pending:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError("connection closed; before that: %r" % self.pending)
            self.pending += more
        line, self.pending = self.pending.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise AssertionError("a reply line that does not end in CRLF: %r" % line)
        return line[:-1].decode("ascii")

    def reply(self):
        raw = [self.read_line()]
        while raw[-1][3:4] == "-":
            raw.append(self.read_line())
        if len({line[:3] for line in raw}) != 1 or any(len(line) > 510 for line in raw):
            raise AssertionError("a malformed reply: %r" % raw)
        return Reply(raw)

    def cmd(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def ehlo(self, name="laptop"):
        reply = self.cmd("EHLO " + name)
        self.features = {line.split()[0].upper(): line.split()[1:] for line in reply.lines[1:]} if reply.code == 250 else {}
        return reply

    def starttls(self, context=None):
        reply = self.cmd("STARTTLS")
        if reply.code == 220:
            if self.pending:
                raise AssertionError("bytes behind the answer to STARTTLS: %r" % self.pending)
            self.sock = (context or any_tls()).wrap_socket(self.sock, server_hostname="mail.example.com")
        return reply

    def plain(self, account, password):
        return self.cmd("AUTH PLAIN " + plain_response(account, password))

    def login(self, account, password):
        reply = self.cmd("AUTH LOGIN")
        for answer in (account, password):
            if reply.code != 334:
                break
            reply = self.cmd(b64(answer))
        return reply

    def envelope(self, sender, *recipients):
        """MAIL and RCPT; the first reply that is not 250, or the last one."""
        reply = self.cmd("MAIL FROM:<%s>" % sender)
        for recipient in recipients:
            if reply.code != 250:
                break
            reply = self.cmd("RCPT TO:<%s>" % recipient)
        return reply

    def data(self, raw):
        """DATA, then exactly these bytes (with their end mark)."""
        reply = self.cmd("DATA")
        if reply.code != 354:
            return reply
        self.send(raw)
        return self.reply()

    def message(self, sender, recipients, text):
        """A whole message; text's lines end in LF here and in CRLF on the wire."""
        if isinstance(recipients, str):
            recipients = [recipients]
        reply = self.envelope(sender, *recipients)
        if reply.code != 250:
            return reply
        body = text.encode() if isinstance(text, str) else text
        stuffed = b"".join(b"." + line if line.startswith(b".") else line for line in body.splitlines(keepends=True))
        return self.data(stuffed.replace(b"\n", b"\r\n") + b".\r\n")

    def is_silent(self, seconds):
        """Whether nothing comes for that long."""
        return not self.pending and not select.select([self.sock], [], [], seconds)[0]

    def at_end(self):
        """Whether the server has closed (waits for it); what came before that does not count."""
        try:
            while self.sock.recv(65536):
                pass
        except socket.timeout:
            return False
        except OSError:
            pass
        return True

    def quit(self):
        reply = self.cmd("QUIT")
        self.close()
        return reply


def submission(server, account=None, password=None, tls=True, name="laptop"):
    """A client on the submission port: after EHLO, STARTTLS, EHLO, and the login if there is one."""
    client = Client(server.ports["submission"])
    client.ehlo(name)
    if tls:
        reply = client.starttls()
        assert reply.code == 220, str(reply)
        client.ehlo(name)
    if account:
        reply = client.plain(account, password)
        assert reply.code == 235, str(reply)
    return client
