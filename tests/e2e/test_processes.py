# SPDX-License-Identifier: MIT
"""Keeper and worker, their rights, and what signals do."""

import os
import pwd
import re
import signal
import socket
import subprocess
import time
import unittest

from client import Client, submission
from harness import AS_ROOT, BINARY, DEMO, PASSWORD, USER, Case, poll


def status(pid):
    with open("/proc/%d/status" % pid) as rows:
        return dict(row.rstrip("\n").split(":\t", 1) for row in rows)


class Rights(Case):
    @unittest.skipUnless(AS_ROOT, "keeper and worker need root")
    def test_keeper_and_worker(self):
        gate = self.server()
        worker = gate.worker()
        self.assertNotEqual(worker, gate.process.pid)
        user = pwd.getpwnam(USER)
        for task in os.listdir("/proc/%d/task" % worker):
            row = status(int(task))
            self.assertEqual(row["Uid"].split(), [str(user.pw_uid)] * 4)
            self.assertEqual(row["Gid"].split(), [str(user.pw_gid)] * 4)
            self.assertNotIn("0", row["Groups"].split())
            for rights in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                self.assertEqual(int(row[rights], 16), 0, rights)
            self.assertEqual(row["NoNewPrivs"], "1")
        keeper = status(gate.process.pid)
        self.assertEqual(keeper["Uid"].split()[1], "0")
        self.assertEqual(keeper["Threads"], "1")

    @unittest.skipUnless(AS_ROOT, "keeper and worker need root")
    def test_the_worker_cannot_read_the_key(self):
        gate = self.server()
        self.assertEqual(os.stat(gate.key).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(gate.key).st_uid, 0)
        opened = [os.readlink("/proc/%d/fd/%s" % (gate.worker(), fd)) for fd in os.listdir("/proc/%d/fd" % gate.worker())]
        self.assertNotIn(gate.key, opened)

    @unittest.skipUnless(AS_ROOT, "keeper and worker need root")
    def test_a_worker_that_dies_is_started_again(self):
        gate = self.server({"courier.hold": "yes"})
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, DEMO, "Subject: kept\n\nx\n").code, 250)
        for _ in range(3):
            worker = gate.worker()
            os.kill(worker, signal.SIGKILL)
            self.assertTrue(poll(lambda: gate.worker() not in (None, worker)), "another worker")
            gate.wait_ready()
            poll(lambda: gate.gatepost("status", code=None).returncode == 0)
            self.assertAlive(gate)
        self.assertEqual(len(gate.json("queue", "list")["messages"]), 1, "the queue is still there")

    @unittest.skipUnless(AS_ROOT, "keeper and worker need root")
    def test_a_keeper_that_dies_takes_the_worker_along(self):
        gate = self.server()
        worker = gate.worker()
        os.kill(gate.process.pid, signal.SIGKILL)
        gate.process.wait()
        self.assertTrue(poll(lambda: not os.path.exists("/proc/%d" % worker) or status(worker)["State"].startswith("Z")))
        gate.start()
        self.assertAlive(gate)

    def test_an_ordinary_user_has_one_process(self):
        if not AS_ROOT:
            gate = self.server()
            with open("/proc/%d/task/%d/children" % (gate.process.pid, gate.process.pid)) as children:
                self.assertEqual(children.read(), "")
            return
        gate = self.server(start=False)
        gate.write_conf({"user": None})
        for name in os.listdir(gate.folder):
            gate.give(gate.path(name))
        gate.start(prefix=["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        with open("/proc/%d/task/%d/children" % (gate.process.pid, gate.process.pid)) as children:
            self.assertEqual(children.read(), "")
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, DEMO, "Subject: one process\n\nx\n").code, 250)
        gate.wait_mail(having=b"one process")

    def test_files_and_folders(self):
        """What the server makes is its own: nobody else reads passwords or mail."""
        gate = self.server()
        with submission(gate, DEMO, PASSWORD) as client:
            self.assertEqual(client.message(DEMO, DEMO, "Subject: x\n\n" + "x\n" * 70000).code, 250)
        gate.wait_mail()
        for folder, _, names in os.walk(gate.path("data")):
            for name in names:
                mode = os.stat(os.path.join(folder, name)).st_mode & 0o077
                self.assertEqual(mode, 0, os.path.join(folder, name))
        self.assertEqual(os.stat(gate.path("data/control.socket")).st_mode & 0o777, 0o600)
        for name in gate.mail():
            self.assertEqual(os.stat(os.path.join(gate.mail_folder(DEMO), "new", name)).st_mode & 0o077, 0)


class Listeners(Case):
    def test_several_of_a_kind_and_ipv6(self):
        gate = self.server(start=False)
        more = [gate.ports["smtp"] + 1, gate.ports["smtp"] + 2]
        gate.write_conf({"listen.smtp": "127.0.0.1:%d, 127.0.0.2:%d *:%d" % (gate.ports["smtp"], *more)})
        gate.start()
        for host, port in (("127.0.0.1", gate.ports["smtp"]), ("127.0.0.2", more[0]), ("127.0.0.1", more[1]), ("::1", more[1])):
            with self.subTest(host=host, port=port), Client(port, host) as client:
                self.assertTrue(client.greeting.first.startswith("220 mail.example.com ESMTP"), str(client.greeting))
                client.ehlo()
                if host == "::1":
                    client.envelope("a@example.org", "b@example.net")
                    gate.wait_log(r"\[::1\]:\d+ F=<a@example\.org> rejected RCPT")

    def test_a_port_that_is_taken(self):
        gate = self.server(start=False)
        with socket.socket() as other:
            other.bind(("127.0.0.1", gate.ports["submission"]))
            other.listen()
            done = gate.gatepost("serve", code=None, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("127.0.0.1:%d" % gate.ports["submission"], done.stderr + "\n".join(gate.log()))


class Signals(Case):
    def test_sigusr1_opens_the_log_again(self):
        gate = self.server()
        submission(gate).quit()
        os.rename(gate.log_file, gate.log_file + ".1")
        gate.signal(signal.SIGUSR1)
        self.assertTrue(poll(lambda: os.path.exists(gate.log_file)))
        with submission(gate) as client:
            client.plain("after-the-rename@example.com", "x")
        gate.wait_log("after-the-rename")
        with open(gate.log_file + ".1") as old:
            self.assertNotIn("after-the-rename", old.read())

    def test_sighup_reads_the_settings_again(self):
        gate = self.server()
        with Client(gate.ports["smtp"]) as client:
            client.ehlo()
            self.assertEqual(client.cmd("MAIL FROM:<a@example.org> SIZE=20000").code, 250)
        gate.write_conf({"message.max_size": "10000"})
        gate.signal(signal.SIGHUP)

        def size():
            with Client(gate.ports["smtp"]) as client:
                client.ehlo()
                return client.features["SIZE"] == ["10000"]
        self.assertTrue(poll(size))

    def test_a_wrong_file_keeps_the_old_settings(self):
        gate = self.server()
        gate.write_conf({"message.max_size": "10000"}, extra="limit.erors = 7\n")
        gate.signal(signal.SIGHUP)
        gate.wait_log(r"gatepost\.conf:\d+: .*limit\.erors")
        with Client(gate.ports["smtp"]) as client:
            client.ehlo()
            self.assertEqual(client.features["SIZE"], [str(50 << 20)])
        gate.write_conf()
        gate.signal(signal.SIGHUP)
        self.assertTrue(poll(lambda: Client(gate.ports["smtp"]).cmd("EHLO x").lines[1:].count("SIZE 10000")))

    def test_sigterm_lets_a_message_end(self):
        gate = self.server({"limit.drain": "20s"})
        idle = Client(gate.ports["smtp"])
        busy = submission(gate, DEMO, PASSWORD)
        self.addCleanup(idle.close)
        self.addCleanup(busy.close)
        self.assertEqual(busy.envelope(DEMO, DEMO).code, 250)
        self.assertEqual(busy.cmd("DATA").code, 354)
        busy.send("Subject: while draining\r\n\r\n")
        gate.signal(signal.SIGTERM)
        self.assertFirst(idle.reply(), "421 4.3.2 mail.example.com Server shutting down - please try again later")
        self.assertTrue(idle.at_end())
        self.assertTrue(poll(lambda: self.refuses(gate.ports["smtp"])), "no new connections")
        busy.send("x\r\n.\r\n")
        self.assertEqual(busy.reply().code, 250)
        gate.stop()
        self.assertTrue(gate.mail() or self.queued(gate), "what was acknowledged is kept")

    def queued(self, gate):
        return gate.json("queue", "list")["messages"]

    @staticmethod
    def refuses(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    def test_sigterm_waits_only_so_long(self):
        gate = self.server({"limit.drain": "1s"})
        busy = submission(gate, DEMO, PASSWORD)
        self.addCleanup(busy.close)
        busy.envelope(DEMO, DEMO)
        busy.cmd("DATA")
        began = time.monotonic()
        gate.stop()
        self.assertLess(time.monotonic() - began, 15)

    def test_sigint_ends_it_too(self):
        gate = self.server()
        gate.signal(signal.SIGINT)
        self.assertEqual(gate.process.wait(30), 0)

    def test_a_second_server_on_the_same_folder(self):
        """Two couriers on one queue would send mail twice."""
        gate = self.server()
        other = gate.path("other.conf")
        with open(gate.conf) as lines, open(other, "w") as out:
            out.write(re.sub(r"(?m)^listen\..*\n", "", lines.read()) + "listen.smtp = 127.0.0.1:%d\n" % (gate.ports["smtp"] + 3))
        done = subprocess.run([BINARY, "serve", "-c", other], capture_output=True, text=True, timeout=30, env=gate.environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertAlive(gate)

    def test_a_control_socket_that_cannot_be(self):
        gate = self.server({"control.socket": "/nonexistent/control.socket"}, start=False)
        done = subprocess.run([BINARY, "serve", "-c", gate.conf], capture_output=True, text=True, timeout=30, env=gate.environment())
        self.assertEqual(done.returncode, 71)
        self.assertIn("control.socket: cannot listen on /nonexistent/control.socket", done.stderr)


if __name__ == "__main__":
    unittest.main()
