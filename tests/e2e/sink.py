# SPDX-License-Identifier: MIT
"""A receiver for what the courier sends: it keeps the raw bytes, and answers what the test wants."""

import os
import socket
import threading
from collections import namedtuple

from client import plain_response

Message = namedtuple("Message", "sender recipients raw")  # raw: the bytes behind DATA, end mark included


class Sink:
    """
    lmtp: LMTP in place of SMTP. unix: path of a UNIX socket in place of a TCP port. tls: None, "starttls" or "implicit", with
    context. login: (account, password) to demand by AUTH PLAIN. answers: {"RCPT": function(argument) -> reply or None}; also
    "MAIL", "DATA", "END" (argument: the recipient in LMTP, else the sender), "CONNECT". A reply of b"" closes the connection.
    """

    def __init__(self, test, lmtp=False, unix=None, tls=None, context=None, login=None, answers=None):
        self.lmtp, self.tls, self.context, self.login = lmtp, tls, context, login
        self.answers = answers or {}
        self.messages, self.commands, self.connections = [], [], 0
        self.changed = threading.Condition()
        if unix:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(unix)
            os.chmod(unix, 0o666)
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(64)
        test.addCleanup(self.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def wait(self, count, timeout=30):
        """Waits until that many messages came; all that came."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.messages) >= count, timeout):
                raise AssertionError("%d messages in place of %d; commands: %r" % (len(self.messages), count, self.commands))
            return list(self.messages)

    def _accept(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock):
        conversation = Conversation(self, sock)
        try:
            conversation.run()
        except (OSError, EOFError):
            pass
        finally:
            conversation.sock.close()

    def answer(self, what, argument, usual):
        reply = self.answers.get(what, lambda argument: None)(argument)
        return usual if reply is None else reply

    def keep(self, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()


class Conversation:
    def __init__(self, sink, sock):
        self.sink, self.sock, self.pending = sink, sock, b""
        self.secure = sink.tls == "implicit"
        self.known = sink.login is None
        self.sender, self.recipients = None, []

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.pending += data

    def line(self):
        while b"\r\n" not in self.pending:
            self.more()
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line.decode("latin-1")

    def raw_data(self):
        while not self.pending.startswith(b".\r\n") and b"\r\n.\r\n" not in self.pending:
            self.more()
        end = 3 if self.pending.startswith(b".\r\n") else self.pending.index(b"\r\n.\r\n") + 5
        raw, self.pending = self.pending[:end], self.pending[end:]
        return raw

    def say(self, reply):
        if not reply:
            raise EOFError
        self.sock.sendall(reply.encode() + b"\r\n")

    def secure_now(self):
        self.sock = self.sink.context.wrap_socket(self.sock, server_side=True)
        self.secure, self.pending = True, b""

    def run(self):
        if self.sink.tls == "implicit":
            self.secure_now()
        self.say(self.sink.answer("CONNECT", "", "220 sink ready"))
        while True:
            line = self.line()
            self.sink.commands.append(line)
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "LHLO", "HELO"):
                self.hello(verb)
            elif verb == "STARTTLS":
                self.say("220 go on")
                self.secure_now()
            elif verb == "AUTH":
                self.auth(argument)
            elif verb in ("MAIL", "RCPT"):
                self.envelope(verb, argument)
            elif verb == "DATA":
                self.data()
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                if verb == "RSET":
                    self.sender, self.recipients = None, []
                self.say("250 fine")

    def hello(self, verb):
        if (verb == "LHLO") != self.sink.lmtp:
            return self.say("500 wrong protocol")
        words = ["sink", "PIPELINING", "8BITMIME", "SIZE 100000000", "ENHANCEDSTATUSCODES"]
        if self.sink.tls == "starttls" and not self.secure:
            words.append("STARTTLS")
        if self.sink.login:
            words.append("AUTH PLAIN LOGIN")
        for word in words[:-1]:
            self.say("250-" + word)
        self.say("250 " + words[-1])

    def auth(self, argument):
        self.known = argument == "PLAIN " + plain_response(*self.sink.login)
        self.say("235 2.7.0 fine" if self.known else "535 5.7.8 no")

    def envelope(self, verb, argument):
        if not self.known:
            return self.say("530 5.7.0 login first")
        address = argument[argument.index("<") + 1 : argument.index(">")]
        usual = "503 5.5.1 MAIL first" if verb == "RCPT" and self.sender is None else "250 2.1.0 fine"
        reply = self.sink.answer(verb, address, usual)
        if reply.startswith("2"):
            if verb == "MAIL":
                self.sender, self.recipients = address, []
            else:
                self.recipients.append(address)
        self.say(reply)

    def data(self):
        reply = self.sink.answer("DATA", "", "354 go" if self.recipients else "503 5.5.1 no recipients")
        self.say(reply)
        if not reply.startswith("354"):
            return
        raw = self.raw_data()
        good = []
        replies = [
            (who, self.sink.answer("END", who, "250 2.0.0 kept"))
            for who in (self.recipients if self.sink.lmtp else [self.sender])
        ]
        for who, reply in replies:
            if reply.startswith("2"):
                good += [who] if self.sink.lmtp else self.recipients
        sender, self.sender, self.recipients = self.sender, None, []
        if good:
            self.sink.keep(Message(sender, good, raw))
        for who, reply in replies:
            self.say(reply)
