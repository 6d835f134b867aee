# SPDX-License-Identifier: MIT
"""The history beside the log: the same events as data, kept over a restart, and never with a secret in it."""

import contextlib
import json
import os
import sqlite3
import ssl
import unittest
import warnings

from client import Client, any_tls, b64, plain_response, submission
from harness import DEMO, PASSWORD, Case, poll


def old_tls():
    context = any_tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this is old is what it is for
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


class History(Case):
    def rows(self, gate, **like):
        """Events whose columns are these, oldest first; "more" as an object."""
        where = " AND ".join("%s = ?" % name for name in like) or "1"
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % gate.path("data/history.db"), uri=True)) as store:
            store.row_factory = sqlite3.Row
            found = store.execute("SELECT * FROM event WHERE %s ORDER BY seq" % where, list(like.values())).fetchall()
        return [{**dict(row), "more": json.loads(row["more"])} for row in found]

    def wait(self, gate, **like):
        found = poll(lambda: self.rows(gate, **like))
        self.assertTrue(found, "no event %r among %r" % (like, [dict(row) for row in self.rows(gate)]))
        return found[-1]

    def test_events_as_data(self):
        gate = self.server()
        with submission(gate) as client:
            client.plain(DEMO + " ", PASSWORD)
            self.assertEqual(client.plain(DEMO, PASSWORD).code, 235)
            reply = client.message(DEMO, DEMO, "Subject: data\n\nx\n")
        failed = self.wait(gate, cause="auth-wrong")
        self.assertEqual((failed["address"], failed["account"], failed["helo"]), ("127.0.0.1", DEMO, "laptop"))
        self.assertEqual(failed["more"]["account"], DEMO + " ", "exactly as sent; the column is what is looked up")
        queue_id = reply.first.rpartition("id=")[2]
        self.assertTrue(poll(lambda: len(self.rows(gate, id=queue_id)) >= 3))
        received = self.rows(gate, id=queue_id)[0]
        self.assertEqual((received["sender"], received["recipient"]), (DEMO, DEMO))
        with self.assertRaises(OSError):
            Client(gate.ports["submissions"], tls=old_tls())
        self.assertIn("TLSv1.1", json.dumps(self.wait(gate, cause="tls-too-old")["more"]))
        before = len(self.rows(gate))
        gate.stop()
        gate.start()
        self.assertGreater(len(self.rows(gate)), before, "kept, and the start is one more")

    def test_no_secret_is_stored(self):
        gate = self.server()
        secrets = ["s3cret-of-plain", "s3cret-of-login", "s3cret-as-a-line", "s3cret-of-cram"]
        with submission(gate) as client:
            client.plain(DEMO, secrets[0])
            client.login(DEMO, secrets[1])
            client.cmd("AUTH LOGIN")
            client.cmd(secrets[2])
            client.cmd("AUTH CRAM-MD5 " + secrets[3])
        gate.add_account("other@example.com", "s3cret-of-other")
        secrets.append("s3cret-of-other")
        self.wait(gate, cause="auth-mechanism")
        gate.stop()
        found = []
        for folder, _, names in os.walk(gate.folder):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    content = file.read()
                for secret in secrets:
                    forms = (secret, b64(secret), plain_response(DEMO, secret))
                    found += [(name, form) for form in forms if form.encode() in content]
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
