# SPDX-License-Identifier: MIT
"""
`kill -9` of the whole server, fifty times, under load: each acknowledged message is in the Maildir exactly once and whole; one that was not
acknowledged may be there once.
"""

import hashlib
import random
import re
import threading
import time
import unittest

from client import Client, any_tls
from harness import DEMO, PASSWORD, Case, poll

ROUNDS = 50
SIZES = (2000, 2000, 2000, 200000)


class Load(threading.Thread):
    """A client that sends message after message, each with a name of its own, and notes which were acknowledged."""

    def __init__(self, gate, number):
        super().__init__(daemon=True)
        self.gate, self.number = gate, number
        self.sent, self.kept, self.strange = [], [], []
        self.ended = False

    def run(self):
        while not self.ended:
            try:
                with self.connect() as client:
                    while not self.ended:
                        self.send(client)
            except (OSError, EOFError):
                time.sleep(0.05)
            except Exception as error:  # noqa: BLE001 (the test shows it)
                self.strange.append(repr(error))

    def connect(self):
        if self.number % 2:
            client = Client(self.gate.ports["smtp"], timeout=20)
            client.ehlo()
            return client
        client = Client(self.gate.ports["submissions"], tls=any_tls(), timeout=20)
        client.ehlo()
        reply = client.plain(DEMO, PASSWORD)
        if reply.code != 235:
            raise EOFError(str(reply))
        return client

    def send(self, client):
        name = "%d-%d" % (self.number, len(self.sent))
        body = random.randbytes(random.choice(SIZES) // 2).hex()
        body = "\n".join(body[at : at + 70] for at in range(0, len(body), 70)) + "\n"
        self.sent.append(name)
        text = "Subject: %s\nX-Sum: %s\n\n%s" % (name, hashlib.sha256(body.encode()).hexdigest(), body)
        reply = client.message(DEMO, DEMO, text)
        if reply.code == 250:
            self.kept.append(name)
        else:
            self.strange.append(str(reply))


class Kill(Case):
    def test_fifty_times(self):
        gate = self.server({"limit.messages": "1000000"})
        load = [Load(gate, number) for number in range(4)]
        for client in load:
            client.start()
        for _ in range(ROUNDS):
            time.sleep(random.uniform(0.1, 0.9))
            gate.kill()
            gate.start()
        time.sleep(1)
        for client in load:
            client.ended = True
        for client in load:
            client.join(60)
        sent = {name for client in load for name in client.sent}
        kept = {name for client in load for name in client.kept}
        self.assertEqual([strange for client in load for strange in client.strange], [])
        self.assertGreater(len(kept), 10 * ROUNDS, "a load worth the name")
        poll(lambda: gate.json("queue", "list") == {"messages": []}, 120, 0.5)
        self.assertEqual(gate.json("queue", "list"), {"messages": []}, "all is delivered")
        found = {}
        for text in gate.mail().values():
            head, body = text.decode().split("\n\n", 1)
            name = re.search(r"(?m)^Subject: (.*)$", head).group(1)
            found[name] = found.get(name, 0) + 1
            self.assertEqual(re.search(r"(?m)^X-Sum: (.*)$", head).group(1), hashlib.sha256(body.encode()).hexdigest(), name)
        self.assertEqual(kept - set(found), set(), "acknowledged and lost")
        self.assertEqual({name: count for name, count in found.items() if count > 1}, {}, "there more than once")
        self.assertEqual(set(found) - sent, set())
        print("%d messages sent, %d acknowledged, %d arrived" % (len(sent), len(kept), len(found)))


if __name__ == "__main__":
    unittest.main()
