# SPDX-License-Identifier: MIT
"""
What every end-to-end test shares: a Gatepost of its own in a temporary folder, with its certificate, accounts, log and mail. As root
the server is keeper and worker (user nobody), as an ordinary user it is one process; the tests are the same. Environment:
GATEPOST_BUILD is the build folder, KEEP=1 leaves the temporary folders for a look.
"""

import functools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from client import Client

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(os.environ.get("GATEPOST_BUILD", os.path.join(TOP, "build")), "gatepost")
AS_ROOT = os.geteuid() == 0
USER = "nobody"
DEMO, PASSWORD = "demo@example.com", "correct horse"
LISTENERS = ("smtp", "submission", "submissions")
TROUBLE = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer|Assertion .* failed")


def free_port():
    """A port below those that the system gives to clients; tests run beside each other, so a random one."""
    while True:
        port = random.randint(10000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def poll(what, timeout=20, pause=0.02):
    """Calls what until it gives something true, and returns that; None when the time is over."""
    end = time.monotonic() + timeout
    while True:
        found = what()
        if found or time.monotonic() > end:
            return found
        time.sleep(pause)


def text_of(path):
    """A file's text; "" when there is none."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def make_certificate(folder, name="server", subject="mail.example.com"):
    """A self-signed ECDSA P-256 certificate: paths of certificate and key."""
    certificate, key = (os.path.join(folder, "%s.%s" % (name, end)) for end in ("crt", "key"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=" + subject, "-addext", "subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1" % subject,
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    os.chmod(key, 0o600)
    return certificate, key


@functools.lru_cache(maxsize=None)
def shared_certificate():
    with tempfile.TemporaryDirectory(prefix="gatepost-certificate-") as folder:
        return {path: text_of(path) for path in make_certificate(folder)}


class Server:
    """A Gatepost. settings go over the usual ones; None takes one out."""

    def __init__(self, settings=None, accounts=(DEMO,), data_dir=None):
        self.folder = tempfile.mkdtemp(prefix="gatepost-")
        os.chmod(self.folder, 0o755)
        for name in ("data", "mail", "log", "san"):
            os.mkdir(self.path(name))
            self.give(self.path(name))
        for path, content in shared_certificate().items():
            with open(self.path(os.path.basename(path)), "w") as out:
                out.write(content)
            os.chmod(out.name, 0o600 if out.name.endswith(".key") else 0o644)
        self.ports = {name: free_port() for name in LISTENERS}
        self.certificate, self.key = self.path("server.crt"), self.path("server.key")
        self.log_file, self.stderr_file = self.path("log/main.log"), self.path("stderr")
        self.settings = {
            "hostname": "mail.example.com",
            "data_dir": data_dir or self.path("data"),
            "user": USER if AS_ROOT else None,
            **{"listen." + name: "127.0.0.1:%d" % self.ports[name] for name in LISTENERS},
            "tls.certificate": self.certificate,
            "tls.key": self.key,
            "local.domains": "example.com",
            "local.delivery": "maildir:%s/%%d/%%n" % self.path("mail"),
            "log.file": self.log_file,
            **(settings or {}),
        }
        self.conf = self.path("gatepost.conf")
        self.process = None
        self.write_conf()
        for account in accounts:
            self.add_account(account)

    def path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def give(path):
        """To the user that the worker runs as."""
        if AS_ROOT:
            shutil.chown(path, USER)

    # ---- settings and commands ----

    def write_conf(self, changes=None, extra=""):
        """The settings file anew, with changed settings, and further lines as they are."""
        self.settings.update(changes or {})
        with open(self.conf, "w") as out:
            out.writelines("%s = %s\n" % row for row in self.settings.items() if row[1] is not None)
            out.write(extra)

    def environment(self):
        san = "log_path=%s:exitcode=99:" % self.path("san/report")
        return dict(os.environ, ASAN_OPTIONS=san + os.environ.get("ASAN_OPTIONS", ""),
                    UBSAN_OPTIONS=san + "print_stacktrace=1", TSAN_OPTIONS=san, NO_COLOR="1")

    def gatepost(self, *words, stdin=None, code=0, timeout=60):
        """Runs a command of the program on this server's settings; code is what it must end with (None: anything)."""
        done = subprocess.run([BINARY, *words, "-c", self.conf], input=stdin, text=True, capture_output=True,
                              timeout=timeout, env=self.environment())
        if code is not None and done.returncode != code:
            raise AssertionError("gatepost %s: exit code %d in place of %d\n%s%s"
                                 % (" ".join(words), done.returncode, code, done.stdout, done.stderr))
        return done

    def json(self, *words, code=0):
        return json.loads(self.gatepost(*words, "--json", code=code).stdout)

    def add_account(self, account, password=PASSWORD):
        self.gatepost("account", "add", account, "--password-stdin", stdin=password + "\n")

    # ---- the process ----

    def start(self, prefix=(), environment=None):
        with open(self.stderr_file, "ab") as err:
            self.process = subprocess.Popen([*prefix, BINARY, "serve", "-c", self.conf], stdin=subprocess.DEVNULL, stdout=err,
                                            stderr=err, start_new_session=True,
                                            env={**self.environment(), **(environment or {})})
        self.wait_ready()
        return self

    def wait_ready(self, timeout=60):
        """Until it answers on its control socket: the keeper's listening sockets are there before the worker is."""
        if not poll(self.answers, timeout):
            raise AssertionError("the server does not answer\n" + self.story())

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("the server ended with %d\n%s" % (self.process.returncode, self.story()))
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(os.path.join(self.settings["data_dir"], "control.socket")) == 0

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, code=0, timeout=60):
        """SIGTERM, and the end that it must lead to."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            found = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server does not end on SIGTERM\n" + self.story())
        self.process = None
        if found != code:
            raise AssertionError("the server ended with %d in place of %d\n%s" % (found, code, self.story()))
        trouble = self.trouble()
        if trouble:
            raise AssertionError("the server was in trouble:\n" + trouble)

    def kill(self):
        """kill -9 of every process of the server."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def trouble(self):
        """What the sanitizers found."""
        return "\n".join(text for text in map(text_of, self.reports()) if TROUBLE.search(text))

    def reports(self):
        return [self.stderr_file] + [self.path("san/" + name) for name in os.listdir(self.path("san"))]

    def worker(self):
        """Process id of the one that serves: the keeper's child as root, else the only process; None while there is none."""
        if not AS_ROOT:
            return self.process.pid
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as children:
            found = children.read().split()
        return int(found[0]) if found else None

    # ---- what it leaves ----

    def log(self):
        return text_of(self.log_file).splitlines()

    def wait_log(self, pattern, timeout=20, count=1):
        """The first log line (or, for count, the last of that many) in which the pattern is found."""
        def found():
            lines = [line for line in self.log() if re.search(pattern, line)]
            return lines[count - 1] if len(lines) >= count else None
        line = poll(found, timeout)
        if not line:
            raise AssertionError("no line for %r in the log:\n%s" % (pattern, "\n".join(self.log()[-40:])))
        return line

    def mail_folder(self, address):
        local, domain = address.split("@")
        return self.path("mail/%s/%s" % (domain, local))

    def mail(self, address=DEMO):
        """The messages in a Maildir: {file name: bytes}."""
        found = {}
        for part in ("new", "cur"):
            folder = os.path.join(self.mail_folder(address), part)
            for name in os.listdir(folder) if os.path.isdir(folder) else ():
                with open(os.path.join(folder, name), "rb") as message:
                    found[name] = message.read()
        return found

    def wait_mail(self, address=DEMO, count=1, having=b"", timeout=30):
        """Waits for messages that hold certain bytes; the list of them."""
        def found():
            rows = [message for message in self.mail(address).values() if having in message]
            return rows if len(rows) >= count else None
        rows = poll(found, timeout)
        if not rows:
            raise AssertionError("no mail for %s\n%s" % (address, self.story()))
        return rows

    def story(self):
        """For people, when a test fails."""
        parts = ["---- log"] + self.log()[-60:]
        for path in self.reports():
            parts += ["---- " + os.path.basename(path), text_of(path)[-6000:]]
        return "\n".join(parts)


class Case(unittest.TestCase):
    """A test with servers: each is stopped at the end and must end well; after a failure their logs are shown."""

    def setUp(self):
        self.servers = []

    def server(self, settings=None, start=True, **how):
        server = Server(settings, **how)
        self.servers.append(server)
        self.addCleanup(server.stop)
        return server.start() if start else server

    def run(self, result=None):
        def count():
            return len(result.failures) + len(result.errors) if result else 0
        self.servers = []
        before = count()
        super().run(result)
        for server in self.servers:
            if server.process and server.process.poll() is None:
                server.kill()
            if count() > before:
                print("\n==== %s\n%s" % (self.id(), server.story()), file=sys.stderr)
            if not os.environ.get("KEEP"):
                shutil.rmtree(server.folder, ignore_errors=True)

    def assertFirst(self, reply, text):
        """The first line of a reply to the letter: code, enhanced code, text."""
        self.assertEqual(reply.first, text, "\n" + str(reply))

    def assertCause(self, server, cause, pattern="", count=1):
        """That cause stands behind everything else in a line of the log (which also has the pattern); the line."""
        return server.wait_log(r"%s.* \(cause=%s\)$" % (pattern, re.escape(cause)), count=count)

    def assertAlive(self, server):
        with Client(server.ports["smtp"]) as client:
            self.assertEqual(client.ehlo().code, 250)
            self.assertEqual(client.quit().code, 221)


class Shared(Case):
    """A test class whose tests use one server; `configuration` are its settings, `people` its accounts."""

    configuration = {}
    people = (DEMO,)

    @classmethod
    def setUpClass(cls):
        cls.gate = Server(cls.configuration, accounts=cls.people).start()
        cls.addClassCleanup(cls.end)

    @classmethod
    def end(cls):
        try:
            cls.gate.stop()
        finally:
            if not os.environ.get("KEEP"):
                shutil.rmtree(cls.gate.folder, ignore_errors=True)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print("\n==== %s\n%s" % (self.id(), self.gate.story()), file=sys.stderr)
