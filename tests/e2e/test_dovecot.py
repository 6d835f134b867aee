# SPDX-License-Identifier: MIT
"""Delivery by LMTP into a real Dovecot, over a UNIX socket."""

import grp
import os
import pwd
import shutil
import subprocess
import time
import unittest

from client import submission
from harness import AS_ROOT, DEMO, PASSWORD, USER, Case, poll

CONFIGURATION = """
base_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = lmtp
ssl = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_location = maildir:{folder}/mail/%d/%n
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
lmtp_rcpt_check_quota = no
recipient_delimiter =
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service lmtp {{
  user = {user}
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """A Dovecot of our own, with mailboxes for some addresses; reached at its socket."""

    def __init__(self, test, addresses):
        self.folder = test.folder
        user = pwd.getpwnam(USER) if AS_ROOT else pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(user.pw_gid).gr_name
        for name in ("run", "mail"):
            os.mkdir(os.path.join(self.folder, name))
        with open(os.path.join(self.folder, "users"), "w") as out:
            out.writelines("%s::%d:%d::%s/home\n" % (address, user.pw_uid, user.pw_gid, self.folder) for address in addresses)
        self.conf = os.path.join(self.folder, "dovecot.conf")
        with open(self.conf, "w") as out:
            out.write(CONFIGURATION.format(folder=self.folder, user=user.pw_name, group=group, uid=user.pw_uid, gid=user.pw_gid))
        if AS_ROOT:
            shutil.chown(os.path.join(self.folder, "mail"), USER)
        self.socket = os.path.join(self.folder, "lmtp")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", self.conf], stdin=subprocess.DEVNULL)
        if not poll(lambda: os.path.exists(self.socket)):
            raise AssertionError(self.log())

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def log(self):
        with open(os.path.join(self.folder, "dovecot.log")) as log:
            return log.read()

    def mail(self, address):
        local, domain = address.split("@")
        folder = os.path.join(self.folder, "mail", domain, local, "new")
        found = []
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            with open(os.path.join(folder, name), "rb") as message:
                found.append(message.read())
        return found


class Lmtp(Case):
    def setUp(self):
        super().setUp()
        self.gate = self.server(start=False, accounts=(DEMO, "two@example.com", "gone@example.com"))
        self.folder = self.gate.path("dovecot")
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o755)
        self.dovecot = Dovecot(self, [DEMO, "two@example.com"])
        self.addCleanup(self.dovecot.stop)
        self.gate.write_conf({"local.delivery": "lmtp:unix:" + self.dovecot.socket, "queue.retry": "1s"})

    def send(self, subject, recipients, body="x\n"):
        with submission(self.gate, DEMO, PASSWORD) as client:
            reply = client.message(DEMO, recipients, "From: %s\nSubject: %s\n\n%s" % (DEMO, subject, body))
            self.assertEqual(reply.code, 250, str(reply))

    def wait(self, address, having):
        found = poll(lambda: [text for text in self.dovecot.mail(address) if having in text])
        self.assertTrue(found, self.dovecot.log() + "\n".join(self.gate.log()))
        return found

    def test_delivery(self):
        self.dovecot.start()
        self.gate.start()
        self.send("small", [DEMO])
        text = self.wait(DEMO, b"Subject: small")[0]
        self.assertIn(b"Return-Path: <%s>" % DEMO.encode(), text)
        self.assertIn(b"with ESMTPSA", text)
        self.gate.wait_log(r" => demo@example\.com .*T=\S*lmtp")
        self.send("large", [DEMO, "two@example.com"], ("y" * 76 + "\n") * 40000)
        for address in (DEMO, "two@example.com"):
            text = self.wait(address, b"Subject: large")[0]
            self.assertEqual(text.count(b"y" * 76), 40000)
        self.send("dots", [DEMO], ".\n..\n.x\nend\n")
        self.assertTrue(self.wait(DEMO, b"Subject: dots")[0].replace(b"\r\n", b"\n").endswith(b"\n\n.\n..\n.x\nend\n"))

    def test_one_recipient_that_dovecot_does_not_know(self):
        """LMTP answers for each recipient: the known one gets it, and the sender gets a bounce for the other."""
        self.dovecot.start()
        self.gate.start()
        self.send("partly", ["two@example.com", "gone@example.com"])
        self.wait("two@example.com", b"Subject: partly")
        self.gate.wait_log(r" \*\* gone@example\.com .*\(cause=delivery-refused\)$")
        bounce = self.wait(DEMO, b"multipart/report")[0]
        self.assertIn(b"gone@example.com", bounce)
        self.assertEqual(len([text for text in self.dovecot.mail("two@example.com") if b"Subject: partly" in text]), 1)

    def test_dovecot_comes_later(self):
        self.gate.start()
        self.send("patient", [DEMO])
        self.gate.wait_log(r" == demo@example\.com .*\(cause=delivery-unreachable\)$")
        self.dovecot.start()
        self.assertEqual(len(self.wait(DEMO, b"Subject: patient")), 1)
        self.gate.wait_log(r" Completed$")
        self.dovecot.stop()
        self.send("again", [DEMO])
        time.sleep(1)
        self.dovecot.start()
        self.assertEqual(len(self.wait(DEMO, b"Subject: again")), 1)


if __name__ == "__main__":
    unittest.main()
