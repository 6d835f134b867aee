# SPDX-License-Identifier: MIT
"""A full disk: the client is told so, nothing that was acknowledged is lost, and the server goes on by itself once there is space."""

import os
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
        self.disk = self.mount("6m")
        self.gate = self.server({"courier.hold": "yes"}, data_dir=self.disk)
        self.kept, self.refused = [], []

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

    def test_full_and_free_again(self):
        number = 0
        while self.send("inline-%d" % number, 20000) or self.send("inline-again-%d" % number, 20000):
            number += 1
            self.assertLess(number, 1000, "the disk does not get full")
        self.assertGreater(len(self.kept), 10)
        for size in (20000, 500000, 3000000):
            for attempt in range(3):
                self.send("full-%d-%d" % (size, attempt), size)
        self.assertTrue(any(name.startswith("full-3000000") for name in self.refused))
        self.assertCause(self.gate, "spool-full")
        self.gate.gatepost("status")
        with self.subTest("a restart while the disk is full"):
            self.gate.stop()
            self.gate.start()
            self.assertAlive(self.gate)
        subprocess.run(["mount", "-o", "remount,size=64m", self.disk], check=True)
        self.assertTrue(poll(lambda: self.send("after-%d" % len(self.kept), 20000)), "it goes on by itself")
        self.assertTrue(self.send("after-large", 500000))
        self.gate.gatepost("settings", "set", "courier.hold", "no")
        self.assertTrue(poll(lambda: len(self.gate.mail()) >= len(self.kept), 60))
        self.assertTrue(poll(lambda: self.gate.json("queue", "list") == {"messages": []}))
        arrived = sorted(text.split(b"Subject: ", 1)[1].split(b".", 1)[0].decode() for text in self.gate.mail().values())
        self.assertEqual(arrived, sorted(self.kept), "each that was acknowledged, once; none that was refused")

    def test_during_a_large_message(self):
        """Space ends in the middle of a body: it is refused at its end, and what it took is free again."""
        before = os.statvfs(self.disk).f_bavail
        for _ in range(5):
            self.assertFalse(self.send("too-large", 20000000))
        self.assertTrue(poll(lambda: os.statvfs(self.disk).f_bavail > before - 300), "its file is gone")
        self.assertTrue(self.send("small", 20000))

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
