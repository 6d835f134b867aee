# SPDX-License-Identifier: MIT
"""
No 250 before the message is on disk, seen from outside: strace shows that the syncs of database, body file and folder returned before the
reply was written. So that the check itself can be trusted, it must fail on a server that answers too early (its syncs come later, or
never), and on traces with one kind of sync less.
"""

import os
import re
import signal
import subprocess
import threading
import time
import unittest

import syscalls
from client import Client
from harness import DEMO, Case

# What makes a server hasty: put before the C library, syncs are left out, or done when the answer is long sent.
HASTY = """
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *later(void *fd)
{
    usleep(200000);
    syscall(SYS_fdatasync, (int)(long)fd);
    close((int)(long)fd);
    return NULL;
}
static int hasty(int fd)
{
    pthread_t thread;
    if (LATER && pthread_create(&thread, NULL, later, (void *)(long)dup(fd)) == 0)
        pthread_detach(thread);
    return 0;
}
int fsync(int fd) { return hasty(fd); }
int fdatasync(int fd) { return hasty(fd); }
"""


class Sync(Case):
    def traced(self, environment=None):
        """Messages through a traced server: the trace's lines, and (queue id, mark, large) of each message."""
        gate = self.server({"courier.hold": "yes"}, start=False)
        output = gate.path("trace")
        gate.start(prefix=["strace", "-f", "-y", "-s", "70000", "-e", "trace=" + syscalls.CALLS, "-e", "signal=none", "-o", output],
                   environment={"ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0", **(environment or {})})
        sent = []
        threads = [threading.Thread(target=self.send, args=(gate, number, sent)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(0.5)  # for syncs that come late
        with open("/proc/%d/task/%d/children" % (gate.process.pid, gate.process.pid)) as children:
            os.kill(int(children.read().split()[0]), signal.SIGTERM)
        gate.process.wait(60)
        gate.stop()
        self.assertEqual(len(sent), 6 * 6)
        with open(output, errors="replace") as lines:
            return lines.read().splitlines(), sent

    def send(self, gate, number, sent):
        with Client(gate.ports["smtp"]) as client:
            client.ehlo()
            for turn in range(6):
                mark, large = "mark-%d-%d-here" % (number, turn), turn % 2 == 1
                filling = ("x" * 70 + "\n") * (4000 if large else 10)
                reply = client.message("a@example.org", DEMO, "Subject: x\n\n%s\n%s" % (mark, filling))
                if reply.code == 250:
                    sent.append((re.search(r"id=(\S+)", reply.first)[1], mark, large))

    @staticmethod
    def judge(lines, sent):
        calls = syscalls.read(lines)
        return [(name, problem) for name, *rest in sent for problem in syscalls.judge(calls, name, *rest)]

    def test_every_reply_waits_for_the_disk(self):
        lines, sent = self.traced()
        self.assertEqual(self.judge(lines, sent), [])
        self.check_the_check(lines, sent)

    def check_the_check(self, lines, sent):
        """The same trace with what a hasty server would leave out, or do too late."""
        large = [row for row in sent if row[2]]
        sync = re.compile(r"f(data)?sync")
        body = r"<[^>]*/\w{6}-\w{6}-\w{2}>"
        folders = {os.path.dirname(call.path) for call in syscalls.read(lines) if re.match(body, "<%s>" % call.path)}
        files = {"the database": (r"\.db-wal>", sent), "body files": (body, large),
                 "their folders": ("<(%s)>" % "|".join(map(re.escape, folders)), large)}
        for name, (pattern, concerned) in files.items():
            with self.subTest(name, how="left out"):
                doctored = self.without(lines, sync, pattern)
                self.assertLess(len(doctored), len(lines))
                self.assertEqual({row[0] for row in self.judge(doctored, sent)}, {row[0] for row in concerned})
        with self.subTest("too late"):
            late = self.without(lines, sync, r"\.db-wal>")
            late += ["1 fdatasync(9<%s>) = 0" % path for path in {call.path for call in syscalls.read(lines) if syscalls.is_wal(call.path)}]
            self.assertEqual(len(self.judge(late, sent)), len(sent))
        with self.subTest("failed"):
            failed = [re.sub(r"= 0$", "= -1 EIO (Input/output error)", line) if sync.search(line) else line for line in lines]
            self.assertEqual({row[0] for row in self.judge(failed, sent)}, {row[0] for row in sent})

    @staticmethod
    def without(lines, sync, pattern):
        """The trace without the syncs of certain files (both halves of a call that is in two lines)."""
        kept, dropped = [], set()
        for line in lines:
            thread = line.split(None, 1)[0]
            if re.match(r"\d+ +f(data)?sync\(", line) and re.search(pattern, line):
                if line.endswith("<unfinished ...>"):
                    dropped.add(thread)
            elif thread in dropped and re.match(r"\d+ +<\.\.\. f(data)?sync resumed>", line):
                dropped.discard(thread)
            else:
                kept.append(line)
        return kept

    def test_a_hasty_server_is_found_out(self):
        folder = self.server(start=False).folder
        source = os.path.join(folder, "hasty.c")
        with open(source, "w") as out:
            out.write(HASTY)
        for later in (0, 1):
            with self.subTest(later=later):
                library = os.path.join(folder, "hasty%d.so" % later)
                subprocess.run(["cc", "-shared", "-fPIC", "-DLATER=%d" % later, "-o", library, source], check=True)
                lines, sent = self.traced({"LD_PRELOAD": library})
                self.assertEqual(any("sync" in line for line in lines), bool(later))
                found_out = {row[0] for row in self.judge(lines, sent)}
                # A late sync may by chance still be in time for a later message.
                self.assertGreaterEqual(len(found_out), len(sent) // 2 if later else len(sent))


if __name__ == "__main__":
    unittest.main()
