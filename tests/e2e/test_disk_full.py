# SPDX-License-Identifier: MIT
"""A full disk: the client is told so, nothing that was acknowledged is lost, and the server goes on by itself once there is space."""

import os
import re
import subprocess
import tempfile
import unittest

from client import submission
from harness import AS_ROOT, DEMO, PASSWORD, Case, poll


@unittest.skipUnless(AS_ROOT, "a mount needs root")
class DiskFull(Case):
    def mount(self, size):
        folder = tempfile.mkdtemp(prefix="gatepost-disk-")
        self.addCleanup(os.rmdir, folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s,mode=0700,uid=65534" % size, "gatepost-test", folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        return folder

    def setUp(self):
        super().setUp()
        self.kept, self.refused = [], []

    def gate_on(self, size, **settings):
        self.disk = self.mount(size)
        self.gate = self.server({"courier.hold": "yes", **settings}, data_dir=self.disk)

    def free(self):
        disk = os.statvfs(self.disk)
        return disk.f_bavail * disk.f_frsize

    def send(self, subject, size):
        """One message; whether it was acknowledged, and everything else must be 452 4.3.1."""
        with submission(self.gate, DEMO, PASSWORD) as client:
            reply = client.message(DEMO, DEMO, "Subject: %s.\n\n%s" % (subject, ("x" * 76 + "\n") * (size // 77)))
            if reply.code == 250:
                self.kept.append(subject)
                return True
            self.assertFirst(reply, "452 4.3.1 Insufficient system storage")
            self.refused.append(subject)
            self.assertEqual(client.cmd("NOOP").code, 250, "the connection goes on")
            return False

    def fill(self):
        """With no reserve at all, so that it is the disk that says no."""
        self.gate_on("6m", **{"queue.min_free": "0"})
        while self.send("inline-%d" % len(self.kept), 20000) or self.send("again-%d" % len(self.kept), 20000):
            self.assertLess(len(self.kept), 1000, "the disk does not get full")
        self.assertGreater(len(self.kept), 10)
        for size in (20000, 500000, 3000000):
            for attempt in range(3):
                self.send("full-%d-%d" % (size, attempt), size)
        self.assertTrue(any(name.startswith("full-3000000") for name in self.refused))
        self.assertCause(self.gate, "spool-full")

    def enlarge(self):
        subprocess.run(["mount", "-o", "remount,size=64m", self.disk], check=True)

    def assertNothingLost(self):
        """Each that was acknowledged arrives, once; none that was refused."""
        self.gate.gatepost("settings", "set", "courier.hold", "no")
        poll(lambda: len(self.gate.mail()) >= len(self.kept), 60)
        self.assertTrue(poll(lambda: self.gate.json("queue", "list") == {"messages": []}))
        arrived = sorted(text.split(b"Subject: ", 1)[1].split(b".", 1)[0].decode() for text in self.gate.mail().values())
        self.assertEqual(arrived, sorted(self.kept))

    def test_full_and_free_again(self):
        self.fill()
        self.gate.gatepost("status")
        self.enlarge()
        self.assertTrue(poll(lambda: self.send("after-%d" % len(self.kept), 20000)), "it goes on by itself")
        self.assertTrue(self.send("after-large", 500000))
        self.assertNothingLost()

    def test_a_restart_on_a_full_disk(self):
        """The server starts, or says which file has no space; once there is some, all is there."""
        self.fill()
        self.gate.stop()
        try:
            self.gate.start()
            self.assertAlive(self.gate)
        except AssertionError:
            self.assertIn(self.gate.process.wait(), (71, 75))
            self.gate.process = None
            with open(self.gate.stderr_file) as text:
                self.assertRegex(text.read(), re.escape(self.disk) + ".*full")
        self.enlarge()
        if self.gate.process is None:
            self.gate.start()
        self.assertNothingLost()

    def test_during_a_large_message(self):
        """Space ends in the middle of a body: it is refused at its end, and what it took is free again."""
        self.gate_on("6m", **{"queue.min_free": "0"})
        before = self.free()
        for _ in range(5):
            self.assertFalse(self.send("too-large", 20000000))
        self.assertTrue(poll(lambda: self.free() > before - 1000000), "its file is gone")
        self.assertTrue(self.send("small", 20000))

    def test_the_reserve(self):
        """queue.min_free is left over, so that what is queued can still be delivered."""
        self.gate_on("16m", **{"queue.min_free": "8M"})
        while self.send("fill-%d" % len(self.kept), 200000):
            self.assertLess(len(self.kept), 1000, "it never says no")
        self.assertTrue(7 << 20 < self.free() < 9 << 20, self.free())
        self.gate.gatepost("settings", "set", "courier.hold", "no")
        self.assertTrue(poll(lambda: len(self.gate.mail()) == len(self.kept)))
        self.assertTrue(poll(lambda: self.send("after", 20000)), "what was delivered made room")

    def test_the_mailboxes_disk(self):
        """When the mailbox's disk is full, the message waits in the queue."""
        mail = self.mount("200k")
        gate = self.server({"local.delivery": "maildir:%s/%%n" % mail, "queue.retry": "1s"})
        with submission(gate, DEMO, PASSWORD) as client:
            reply = client.message(DEMO, DEMO, "Subject: waits\n\n" + ("x" * 76 + "\n") * 6000)
            self.assertEqual(reply.code, 250, str(reply))
        self.assertCause(gate, "delivery-maildir", r" == demo@example\.com ")
        new = os.path.join(mail, "demo/new")
        self.assertEqual(os.listdir(new) if os.path.isdir(new) else [], [])
        subprocess.run(["mount", "-o", "remount,size=8m", mail], check=True)
        self.assertTrue(poll(lambda: os.path.isdir(new) and len(os.listdir(new)) == 1))
        gate.wait_log(" Completed$")
        self.assertEqual(len(os.listdir(new)), 1)
        self.assertEqual(os.listdir(os.path.join(mail, "demo/tmp")), [])


if __name__ == "__main__":
    unittest.main()
